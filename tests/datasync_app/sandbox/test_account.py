from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from datasync_app.sandbox.account import Quota, quota_of
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import Ask

RATE = "抱歉，您访问接口(daily)频率超限({}次/{})，具体频次详情：https://tushare.pro/document/1?doc_id=108。"


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def codes(ask: Ask, sandbox: Sandbox, count: int, **options: str) -> list[int]:
    api_name = options.pop("api_name", "daily")
    return [ask(sandbox, api_name, **options).json()["code"] for _ in range(count)]


def test_it_refuses_the_call_after_the_last_of_the_quota(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, quota=3) as sandbox:
        answered = codes(ask, sandbox, 3)
        refused = ask(sandbox, "daily").json()

        assert (sandbox.served["daily"], sandbox.refused["daily"]) == (3, 1)
        assert sandbox.refusal_reasons == {("daily", "rate"): 1}
    assert answered == [0, 0, 0]
    assert (refused["code"], refused["msg"]) == (40203, RATE.format(3, "分钟"))
    assert refused["data"] is None


def test_it_lets_a_call_in_when_the_oldest_is_a_window_old(small: ReplayMarket, ask: Ask) -> None:
    watch = Stopwatch()
    with Sandbox(small, quota=2, monotonic=watch) as sandbox:
        codes(ask, sandbox, 1)
        watch.seconds += 30
        codes(ask, sandbox, 1)
        watch.seconds += 29.9
        early = codes(ask, sandbox, 1)
        watch.seconds += 60
        late = codes(ask, sandbox, 1)

    assert (early, late) == ([40203], [0])


def test_it_counts_refused_calls_too(small: ReplayMarket, ask: Ask) -> None:
    watch = Stopwatch()
    with Sandbox(small, quota=1, monotonic=watch) as sandbox:
        codes(ask, sandbox, 1)
        watch.seconds += 59
        knocked = codes(ask, sandbox, 1)
        watch.seconds += 59
        still_refused = codes(ask, sandbox, 1)
        watch.seconds += 60
        rested = codes(ask, sandbox, 1)

    assert (knocked, still_refused, rested) == ([40203], [40203], [0])


def test_it_counts_each_endpoint_and_each_token_apart(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, quota=1) as sandbox:
        assert codes(ask, sandbox, 1, token="a") == [0]
        assert codes(ask, sandbox, 1, token="b") == [0]
        assert codes(ask, sandbox, 1, token="a", api_name="stock_basic") == [0]
        assert codes(ask, sandbox, 1, token="a") == [40203]


def test_it_has_no_limit_with_a_quota_of_zero(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, points=120, quota=0) as sandbox:
        assert set(codes(ask, sandbox, 60)) == {0}


def test_it_can_limit_by_the_hour(small: ReplayMarket, ask: Ask) -> None:
    watch = Stopwatch()
    with Sandbox(small, quota=Quota(1, "小时"), monotonic=watch) as sandbox:
        codes(ask, sandbox, 1)
        watch.seconds += 3599
        refused = ask(sandbox, "daily").json()

    assert refused["msg"] == RATE.format(1, "小时")


def test_it_limits_single_endpoints_apart(small: ReplayMarket, ask: Ask) -> None:
    quotas = {"stock_basic": Quota(1, "小时")}
    with Sandbox(small, quota=2, quotas=quotas) as sandbox:
        basics = codes(ask, sandbox, 2, api_name="stock_basic")
        daily = codes(ask, sandbox, 3)

        assert sandbox.refusal_reasons == {("stock_basic", "rate"): 1, ("daily", "rate"): 1}
    assert (basics, daily) == ([0, 40203], [0, 0, 40203])


def test_it_takes_an_endpoint_of_its_own_limit_from_the_common_one(
    small: ReplayMarket, ask: Ask
) -> None:
    with Sandbox(small, quota=1, quotas={"daily": Quota(0)}) as sandbox:
        assert codes(ask, sandbox, 3) == [0, 0, 0]


@pytest.mark.parametrize(("unit", "seconds"), [("分钟", 2), ("小时", 120), ("天", 2880)])
def test_its_minute_can_be_short(small: ReplayMarket, ask: Ask, unit: str, seconds: float) -> None:
    watch = Stopwatch()
    with Sandbox(small, quota=Quota(1, unit), minute_seconds=2, monotonic=watch) as sandbox:
        codes(ask, sandbox, 1)
        watch.seconds += seconds - 0.001
        early = codes(ask, sandbox, 1)
        watch.seconds += seconds
        late = codes(ask, sandbox, 1)

    assert (early, late) == ([40203], [0])


def test_it_keeps_count_when_the_quota_changes(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, quota=2) as sandbox:
        codes(ask, sandbox, 2)
        sandbox.quota = Quota(3)

        assert codes(ask, sandbox, 2) == [0, 40203]
        sandbox.quota = Quota(1)
        assert codes(ask, sandbox, 1) == [40203]


def test_it_counts_exactly_under_threads(small: ReplayMarket) -> None:
    def call(number: int) -> int:
        with requests.Session() as session:
            session.trust_env = False
            body = {"api_name": "daily", "token": "t", "params": {}}
            return int(session.post(sandbox.url, json=body, timeout=30).json()["code"])

    with Sandbox(small, quota=40) as sandbox, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(call, range(100)))

    assert (answers.count(0), answers.count(40203)) == (40, 60)


@pytest.mark.parametrize(
    ("points", "calls"),
    [(0, 50), (120, 50), (2000, 200), (5000, 500), (10000, 1000), (15000, 1000)],
)
def test_it_takes_the_quota_from_the_points(points: int, calls: int) -> None:
    assert quota_of(points) == Quota(calls)


def test_it_gives_a_small_account_daily_and_user_only(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated, points=120) as sandbox:
        refused = ask(sandbox, "stock_basic").json()
        account = ask(sandbox, "user").json()["data"]
        bars = ask(sandbox, "daily", trade_date="20200102").json()

        assert sandbox.refusal_reasons == {("stock_basic", "permission"): 1}
    assert refused["code"] == 40203
    assert refused["msg"] == (
        "抱歉，您没有接口(stock_basic)访问权限，权限的具体详情访问：https://tushare.pro/document/1?doc_id=108。"
    )
    assert account["items"][0][account["fields"].index("到期积分")] == 120
    assert bars["code"] == 0


def test_it_gives_more_when_points_are_bought(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated, points=120) as sandbox:
        assert ask(sandbox, "stock_basic").json()["code"] == 40203
        sandbox.points = 2000

        assert ask(sandbox, "stock_basic").json()["code"] == 0
        account = ask(sandbox, "user").json()["data"]
        assert account["items"][0][account["fields"].index("到期积分")] == 2000


def test_it_lets_a_small_account_call_daily_50_times_a_minute(
    small: ReplayMarket, ask: Ask
) -> None:
    with Sandbox(small, points=120) as sandbox:
        answered = codes(ask, sandbox, 51)

    assert answered == [0] * 50 + [40203]


def test_it_answers_after_the_latency(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, latency_ms=60) as sandbox:
        started = time.monotonic()
        ask(sandbox, "daily")

    assert time.monotonic() - started >= 0.06


def test_it_stops_at_once_while_calls_are_waiting(small: ReplayMarket, ask: Ask) -> None:
    def call() -> None:
        try:
            ask(sandbox, "daily")
        except requests.ConnectionError:
            cut.set()

    cut = threading.Event()
    caller = threading.Thread(target=call)
    with Sandbox(small, latency_ms=60_000) as sandbox:
        caller.start()
        while not sandbox.requests:
            time.sleep(0.001)
        started = time.monotonic()
    caller.join(5)

    assert time.monotonic() - started < 5
    assert not caller.is_alive()
    assert cut.is_set()
