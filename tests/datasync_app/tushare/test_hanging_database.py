"""A database that has stopped answering, its connections open: nobody waits for it for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connections

from datasync_app.tushare.access import LimitRules
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.database import QuotaDatabase, QuotaUnavailable
from datasync_app.tushare.knowledge import StoredKnowledge
from datasync_app.tushare.limits import EndpointLimiters
from tests.stalling_proxy import StallingProxy

pytestmark = pytest.mark.django_db

STATEMENT_SECONDS = 0.2
CONNECT_SECONDS = 2


@pytest.fixture
def proxy() -> Iterator[StallingProxy]:
    with StallingProxy() as running:
        yield running


@pytest.fixture
def database(proxy: StallingProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuotaDatabase]:
    """A connection through the proxy, in use."""
    opened = QuotaDatabase(statement_seconds=STATEMENT_SECONDS)
    with closing(opened), monkeypatch.context() as through:
        # What connections of all threads are made from.
        where = connections["default"].settings_dict
        through.setitem(where, "HOST", "127.0.0.1")
        through.setitem(where, "PORT", str(proxy.port))
        through.setitem(where, "OPTIONS", where["OPTIONS"] | {"connect_timeout": CONNECT_SECONDS})
        opened.rows("SELECT 1")
        yield opened


def test_a_statement_without_an_answer_ends_in_time(
    proxy: StallingProxy, database: QuotaDatabase
) -> None:
    proxy.stall()
    started = time.monotonic()

    with pytest.raises(QuotaUnavailable, match="not called while the database"):
        database.rows("SELECT 1")

    assert time.monotonic() - started < 10 * STATEMENT_SECONDS


def test_those_who_wait_for_the_connection_meanwhile_end_in_time_as_well(
    proxy: StallingProxy, database: QuotaDatabase
) -> None:
    proxy.stall()
    started = time.monotonic()

    def is_told(_: int) -> bool:
        with pytest.raises(QuotaUnavailable):
            database.rows("SELECT 1")
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_told, range(8)))
    # One after the other they would take two seconds each, to find that no connection can be made either.
    assert time.monotonic() - started < 2 * CONNECT_SECONDS


def test_it_is_used_again_once_it_answers(proxy: StallingProxy, database: QuotaDatabase) -> None:
    proxy.stall()
    with pytest.raises(QuotaUnavailable):
        database.rows("SELECT 1")
    proxy.go_on()

    assert database.rows("SELECT 2") == [(2,)]


def test_how_many_calls_to_have_under_way_is_known_without_it(
    proxy: StallingProxy, database: QuotaDatabase, token: str
) -> None:
    rules = LimitRules()
    limiters = EndpointLimiters(
        rules=rules, knowledge=StoredKnowledge(database, "0" * 12, rules, clock=lambda: 0.0)
    )
    client = TushareClient(token, "http://127.0.0.1:9", limiters=limiters)
    proxy.stall()
    told: list[int] = []
    asking = threading.Thread(target=lambda: told.append(client.calls_in_flight("daily")))
    asking.start()
    asking.join(STATEMENT_SECONDS / 2)

    assert told == [3]
