"""While it is open whether an endpoint may be called, one call finds out for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg
import pytest
from pytest_django import Settings

from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare import limits
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.database import QuotaDatabase
from datasync_app.tushare.from_settings import client_from_settings
from datasync_app.tushare.outcomes import CallCancelled, Denied
from datasync_app.tushare.turns import SharedTurn, Turn
from tests.datasync_app.tushare.test_against_sandbox import OneRow

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT = "0123456789ab"
MakeTurn = Callable[..., SharedTurn]


@pytest.fixture
def databases() -> Iterator[Callable[[], QuotaDatabase]]:
    """Connections as of processes of their own."""
    with ExitStack() as stack:

        def make() -> QuotaDatabase:
            database = QuotaDatabase()
            stack.callback(database.close)
            return database

        yield make


@pytest.fixture
def turn_of_a_process(databases: Callable[[], QuotaDatabase]) -> MakeTurn:
    def make(api_name: str = "daily", patience: float = 10.0) -> SharedTurn:
        return SharedTurn(databases(), ACCOUNT, api_name, patience=patience)

    return make


def nobody_cancels() -> None:
    return


def has_its_turn(turn: Turn) -> bool:
    """Whether it would have it without waiting."""

    def give_up() -> None:
        raise CallCancelled

    try:
        turn.wait(give_up)
    except CallCancelled:
        return False
    turn.end()
    return True


def test_a_turn_excludes_other_processes_until_it_ends(turn_of_a_process: MakeTurn) -> None:
    mine, other = turn_of_a_process(), turn_of_a_process()
    mine.wait(nobody_cancels)
    assert not has_its_turn(other)
    assert has_its_turn(turn_of_a_process("adj_factor"))
    mine.end()

    assert has_its_turn(other)


def test_the_turn_of_a_process_that_died_is_over(
    databases: Callable[[], QuotaDatabase], turn_of_a_process: MakeTurn
) -> None:
    dying = databases()
    SharedTurn(dying, ACCOUNT, "daily").wait(nobody_cancels)
    dying.close()

    turn_of_a_process().wait(nobody_cancels)


def test_whoever_waits_for_a_process_that_was_stopped_goes_in_the_end(
    turn_of_a_process: MakeTurn,
) -> None:
    turn_of_a_process().wait(nobody_cancels)
    waiting = turn_of_a_process(patience=0.1)
    waiting.wait(nobody_cancels)
    waiting.end()


def test_a_turn_that_cannot_be_given_back_goes_with_its_connection(
    databases: Callable[[], QuotaDatabase],
    turn_of_a_process: MakeTurn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = databases()
    turn = SharedTurn(database, ACCOUNT, "daily")
    turn.wait(nobody_cancels)
    with monkeypatch.context() as refusing:
        refusing.setattr(QuotaDatabase, "_run", _refuse)
        turn.end()

    assert has_its_turn(turn_of_a_process())


def _refuse(self: QuotaDatabase, statement: str, values: object) -> None:
    raise psycopg.InternalError("not now")


def test_processes_that_call_together_meet_one_denial(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, databases: Callable[[], QuotaDatabase]
) -> None:
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 100
    with Sandbox(OneRow(), quota=0, points=120, latency_ms=50) as sandbox, ExitStack() as stack:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        clients: list[TushareClient] = []
        for _ in range(4):
            monkeypatch.setattr(limits, "_stored", {})
            monkeypatch.setattr(limits, "quota_database", databases)
            clients.append(stack.enter_context(closing(client_from_settings())))
        together = threading.Barrier(4)

        def is_denied(client: TushareClient) -> bool:
            client.limiters.for_endpoint("adj_factor")  # nothing is known, and it is known so
            together.wait(5)
            with pytest.raises(Denied):
                client.fetch("adj_factor", {}, [])
            return True

        started = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(is_denied, clients))
        assert sandbox.refused["adj_factor"] == 1
        assert time.monotonic() - started < 5
