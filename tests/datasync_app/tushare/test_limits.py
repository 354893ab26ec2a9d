from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.tushare.limits import EndpointLimiters, calls_for_points, shared_limiters
from datasync_app.tushare.outcomes import RateLimited, RateUnit
from datasync_app.tushare.wire import Call

NOW = dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("points", "calls"), [(120, 45), (1999, 45), (2000, 195), (5000, 490), (10_000, 980)]
)
def test_it_knows_what_an_account_may_call(points: int, calls: int) -> None:
    assert calls_for_points(points) == calls


def test_it_has_a_limiter_for_each_endpoint() -> None:
    limiters = EndpointLimiters(2)

    assert limiters.for_endpoint("daily") is limiters.for_endpoint("daily")
    assert limiters.for_endpoint("daily") is not limiters.for_endpoint("adj_factor")


def test_it_lets_the_setting_win_over_the_points() -> None:
    assert EndpointLimiters(30, points=5000).for_endpoint("daily").max_calls == 30


def test_it_takes_the_default_when_it_knows_nothing() -> None:
    assert EndpointLimiters().for_endpoint("daily").max_calls == 195


def test_it_applies_the_points_to_the_limiters_that_exist() -> None:
    limiters = EndpointLimiters()
    daily = limiters.for_endpoint("daily")

    limiters.account_has(120)

    assert daily.max_calls == 45


def test_it_stays_below_the_limit_that_a_refusal_stated() -> None:
    limiters = EndpointLimiters(195)

    limiters.refused_at("daily", 100)
    limiters.refused_at("adj_factor", 400)
    limiters.refused_at("stock_basic", 1)

    assert limiters.for_endpoint("daily").max_calls == 95
    assert limiters.for_endpoint("adj_factor").max_calls == 195
    assert limiters.for_endpoint("stock_basic").max_calls == 1


def test_it_shares_the_limiters_of_a_token_in_the_process() -> None:
    one = shared_limiters("t" * 56, "http://127.0.0.1:1", None, 60)

    assert one is shared_limiters("t" * 56, "http://127.0.0.1:1", None, 60)
    assert one is not shared_limiters("u" * 56, "http://127.0.0.1:1", None, 60)


@pytest.mark.parametrize(("reset_in", "silent"), [(20, 20), (16 * 60, 60)])
def test_it_leaves_an_exhausted_endpoint_alone_for_an_hour_at_most(
    reset_in: int, silent: int
) -> None:
    limiters = EndpointLimiters()
    reset_at = NOW + dt.timedelta(minutes=reset_in)
    limiters.exhausted(
        RateLimited("used up", unit=RateUnit.DAY, reset_at=reset_at, api_name="stock_basic"), NOW
    )

    with pytest.raises(RateLimited, match="used up") as refusal:
        limiters.check_exhausted(
            Call("stock_basic"), NOW + dt.timedelta(minutes=silent, seconds=-1)
        )
    assert refusal.value.reset_at == reset_at
    limiters.check_exhausted(Call("stock_basic"), NOW + dt.timedelta(minutes=silent))
    limiters.check_exhausted(Call("daily"), NOW)
