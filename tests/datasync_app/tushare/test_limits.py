from __future__ import annotations

import dataclasses
import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from datasync_app.tushare.access import LimitRules
from datasync_app.tushare.account import Account
from datasync_app.tushare.knowledge import MemoryKnowledge
from datasync_app.tushare.limits import EndpointLimiters, account_of, stored_limiters
from datasync_app.tushare.outcomes import DenialKind, Denied, RateLimited, RateUnit
from datasync_app.tushare.wire import Call
from tests.datasync_app.tushare.virtual_clock import VirtualClock

NOW = dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def limiters_now(**settings: float) -> EndpointLimiters:
    return EndpointLimiters(now=lambda: NOW, clock=lambda: 0.0, **settings)  # type: ignore[arg-type]


def used_up(unit: RateUnit, reset_in: dt.timedelta) -> RateLimited:
    return RateLimited("used up", unit=unit, reset_at=NOW + reset_in, api_name="stock_basic")


def denied(kind: DenialKind) -> Denied:
    return Denied("没有接口访问权限", kind=kind, code=40203, api_name="fina_indicator")


def test_it_has_a_limiter_for_each_endpoint() -> None:
    limiters = EndpointLimiters(2)

    assert limiters.for_endpoint("daily") is limiters.for_endpoint("daily")
    assert limiters.for_endpoint("daily") is not limiters.for_endpoint("adj_factor")


def test_it_applies_the_points_to_the_limiters_that_exist() -> None:
    limiters = limiters_now()
    daily = limiters.for_endpoint("daily")
    assert daily.max_calls == 195

    limiters.account_has(Account(120, None))

    assert limiters.for_endpoint("daily") is daily
    assert daily.max_calls == 45


def test_it_learns_from_a_refusal_what_we_had_in_the_window() -> None:
    limiters = limiters_now(max_calls=195)
    daily = limiters.for_endpoint("daily")
    for _ in range(80):
        daily.acquire_blocking().answered()

    limiters.refused(RateLimited("", limit=400, unit=RateUnit.MINUTE, api_name="daily"), NOW)

    assert limiters.for_endpoint("daily").max_calls == 76
    assert limiters.for_endpoint("adj_factor").max_calls == 195


def test_a_refused_endpoint_waits_for_the_minute_of_the_source_however_short_our_window(
    clock: VirtualClock,
) -> None:
    """Three a second, refused by a source that counts 200 a minute."""

    def now() -> dt.datetime:
        return NOW + dt.timedelta(seconds=clock.now)

    limiters = EndpointLimiters(
        rules=LimitRules(3, 1.0, minute_seconds=60), clock=clock, sleep=clock.sleep, now=now
    )
    daily = limiters.for_endpoint("daily")
    daily.acquire_blocking().answered()
    refusal = RateLimited("", limit=200, unit=RateUnit.MINUTE, api_name="daily")
    for _ in range(2):  # a second one, that was under way, teaches nothing more
        limiters.refused(refusal, now())
        clock.now += 5
    learned = limiters.knowledge.of("daily", now())

    daily.acquire_blocking()

    assert clock.now == pytest.approx(65)
    assert learned.learned_at == NOW
    assert limiters.rules.raised(dataclasses.replace(learned, now=NOW + 1.9 * MINUTE)) is None


def test_calls_that_are_refused_together_teach_once() -> None:
    limiters = limiters_now(max_calls=195)
    daily = limiters.for_endpoint("daily")
    for _ in range(100):
        daily.acquire_blocking().answered()
    refusal = RateLimited("请求过于频繁", api_name="daily")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limiters.refused(refusal, NOW), range(10)))

    assert limiters.for_endpoint("daily").max_calls == 95
    limiters.refused(refusal, NOW + MINUTE)
    assert limiters.for_endpoint("daily").max_calls == 90


def test_a_limit_is_raised_once_for_all_who_saw_that_it_is_due() -> None:
    knowledge = MemoryKnowledge(LimitRules())
    knowledge.learn("daily", 200, 100, NOW)
    due = knowledge.of("daily", NOW + 2 * MINUTE)
    knowledge.raise_limit("daily", due, 100)
    knowledge.raise_limit("daily", due, 105)

    assert knowledge.of("daily", NOW).learned_limit == 100


def test_what_is_learned_meanwhile_is_not_lost_by_a_limit_that_rises() -> None:
    knowledge = MemoryKnowledge(LimitRules())
    knowledge.learn("fina_indicator", 200, 100, NOW)
    due = knowledge.of("fina_indicator", NOW + 2 * MINUTE)
    knowledge.deny(denied(DenialKind.IP), NOW)
    knowledge.raise_limit("fina_indicator", due, 100)

    assert knowledge.of("fina_indicator", NOW).denial


def test_it_leaves_an_exhausted_endpoint_alone_until_its_reset() -> None:
    limiters = limiters_now()
    limiters.refused(used_up(RateUnit.DAY, 20 * MINUTE), NOW)

    with pytest.raises(RateLimited, match="used up") as refusal:
        limiters.check(Call("stock_basic"), NOW + 19 * MINUTE)
    assert refusal.value.reset_at == NOW + 20 * MINUTE
    assert not refusal.value.is_short
    limiters.check(Call("stock_basic"), NOW + 20 * MINUTE)
    limiters.check(Call("daily"), NOW)


@pytest.mark.parametrize(
    ("kind", "hours"), [(DenialKind.PERMISSION, 20), (DenialKind.TOKEN, 1), (DenialKind.IP, 1)]
)
def test_it_refuses_what_was_denied_until_it_is_time_to_try_again(
    kind: DenialKind, hours: int
) -> None:
    limiters = limiters_now()
    limiters.denied(denied(kind), NOW)
    end = NOW + dt.timedelta(hours=hours)

    with pytest.raises(Denied, match="没有接口访问权限") as refusal:
        limiters.check(Call("fina_indicator"), end - MINUTE)
    assert (refusal.value.kind, refusal.value.code) == (kind, 40203)
    assert refusal.value.until == end
    limiters.check(Call("fina_indicator"), end)
    limiters.check(Call("daily"), NOW)


@pytest.mark.parametrize(("points", "asks_again"), [(2000, False), (5000, True)])
def test_more_points_end_denials_and_spent_quotas(points: int, asks_again: bool) -> None:
    limiters = limiters_now()
    limiters.account_has(Account(2000, None))
    limiters.denied(denied(DenialKind.PERMISSION), NOW)
    limiters.refused(used_up(RateUnit.DAY, 20 * MINUTE), NOW)

    limiters.account_has(Account(points, None))

    for api_name in ("fina_indicator", "stock_basic"):
        try:
            limiters.check(Call(api_name), NOW)
            asked = True
        except (Denied, RateLimited):
            asked = False
        assert asked is asks_again


def test_an_answer_ends_a_denial() -> None:
    limiters = limiters_now()
    limiters.denied(denied(DenialKind.PERMISSION), NOW)

    limiters.answered("fina_indicator", NOW)

    limiters.check(Call("fina_indicator"), NOW)


def test_the_clients_of_an_account_share_their_limiters_in_a_process() -> None:
    rules = LimitRules()

    assert stored_limiters("a" * 12, rules) is stored_limiters("a" * 12, LimitRules())
    assert stored_limiters("a" * 12, rules) is not stored_limiters("b" * 12, rules)
    assert stored_limiters("a" * 12, rules) is not stored_limiters("a" * 12, LimitRules(30))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://api.tushare.pro/dataapi", "https://mirror.example/dataapi/", True),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001/", True),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8002", False),
    ],
)
def test_an_account_is_its_token_and_on_loopback_its_server(
    one: str, other: str, same: bool, token: str
) -> None:
    assert (account_of(token, one) == account_of(token, other)) is same
    assert token not in account_of(token, one)


def test_another_token_is_another_account(token: str) -> None:
    url = "https://api.tushare.pro/dataapi"
    assert account_of(token, url) != account_of(token[::-1], url)
