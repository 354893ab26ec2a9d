"""The client and the sandbox, over real HTTP: what one promises, the other counts."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from datasync_app.protocol import Refusal, Rows, no_permission
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from datasync_app.tushare.outcomes import AnswerKind, Denied, TushareError
from tests.datasync_app.tushare.virtual_clock import VirtualClock

# A window of a minute passes in this part of it.
HASTE = 100


class OneRow:
    """The smallest market there is."""

    identity = "replay:one-row"

    def serves(self, api_name: str) -> bool:
        return api_name == "daily"

    def refuse(self, api_name: str) -> Refusal:
        return no_permission()

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return ("ts_code", "close")

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        return ("ts_code", "close"), [["000001.SZ", 9.21]]


def hasty_clock() -> float:
    return time.monotonic() * HASTE


def hasty_sleep(seconds: float) -> None:
    time.sleep(seconds / HASTE)


@pytest.fixture
def patient(clock: VirtualClock) -> Iterator[tuple[Sandbox, TushareClient]]:
    """A sandbox without limit, and a client that waits on a virtual clock."""
    with Sandbox(OneRow(), quota=0, monotonic=clock) as sandbox:
        limiters = EndpointLimiters(clock=clock, sleep=clock.sleep)
        client = TushareClient(
            "sandbox", sandbox.url, limiters=limiters, clock=clock, sleep=clock.sleep
        )
        yield sandbox, client
        client.close()


def test_it_is_never_refused_however_many_threads_call() -> None:
    with Sandbox(
        OneRow(), quota=Quota(20), latency_ms=300 / HASTE, monotonic=hasty_clock
    ) as sandbox:
        limiters = EndpointLimiters(20, clock=hasty_clock, sleep=hasty_sleep)
        client = TushareClient("sandbox", sandbox.url, limiters=limiters, sleep=hasty_sleep)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.fetch("daily", {}, []), range(60)))
        client.close()

        assert {answer.kind for answer in answers} == {AnswerKind.ROWS}
        assert sandbox.refused == Counter()
        assert sandbox.served["daily"] == 60


class ClockWithRival(VirtualClock):
    """As time goes by another script calls `daily` with the same token: ten times a minute."""

    sandbox: Sandbox | None = None
    _calls = 0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        while self.sandbox is not None and self._calls * 6 <= self.now:
            self._calls += 1
            self.sandbox.answer("/daily", b'{"api_name": "daily", "token": "sandbox"}')


def test_no_call_fails_while_another_script_burns_half_the_quota() -> None:
    clock = ClockWithRival()
    with Sandbox(OneRow(), quota=Quota(20), monotonic=clock) as sandbox:
        clock.sandbox = sandbox
        limiters = EndpointLimiters(20, clock=clock, sleep=clock.sleep)
        client = TushareClient(
            "sandbox", sandbox.url, limiters=limiters, clock=clock, sleep=clock.sleep
        )
        answers = [client.fetch("daily", {}, []) for _ in range(60)]
        client.close()

    assert {answer.kind for answer in answers} == {AnswerKind.ROWS}
    assert limiters.for_endpoint("daily").max_calls < 20


def test_it_tells_every_fault_from_an_answer(patient: tuple[Sandbox, TushareClient]) -> None:
    sandbox, client = patient
    sandbox.faults.set_rates(
        {"http_502": 0.15, "http_500": 0.1, "html": 0.1, "permission": 0.1, "rate_minute": 0.15}
    )
    outcomes: Counter[str] = Counter()
    for _ in range(300):
        try:
            outcomes[client.fetch("daily", {}, ["ts_code", "close"]).kind.value] += 1
        except TushareError as failure:
            outcomes[type(failure).__name__] += 1
            # A denial would be remembered, and nothing asked any more.
            client.limiters.knowledge.allow("daily", dt.datetime.now(dt.UTC))

    assert outcomes["rows"] == sandbox.served["daily"]
    assert set(outcomes) <= {"rows", "RateLimited", "Denied", "TransportFailure"}
    assert set(sandbox.faulted) == {"http_502", "http_500", "html", "permission", "rate_minute"}


def test_it_names_the_source_and_its_refusal(patient: tuple[Sandbox, TushareClient]) -> None:
    _, client = patient

    assert client.fetch("daily", {}, []).source == "replay:one-row"
    with pytest.raises(Denied, match="没有接口访问权限"):
        client.fetch("moneyflow", {}, [])


def test_it_learns_its_limits_from_the_account(patient: tuple[Sandbox, TushareClient]) -> None:
    sandbox, client = patient
    sandbox.points = 5000

    account = client.account()

    assert account.points == 5000
    assert account.expires is not None
    assert account.expires > dt.datetime.now(dt.UTC).date()
    assert client.limiters.for_endpoint("daily").max_calls == 490
