"""While the calls cannot be counted none is made, nothing fails, and the source is not to blame."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from datasync_app.tushare.circuit import Circuit, Way
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.database import QuotaUnavailable
from datasync_app.tushare.limits import EndpointLimiters
from datasync_app.tushare.outcomes import CallCancelled, TransportFailure, Uncounted
from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter, Slot
from tests.datasync_app.tushare.faulty_server import ROWS, FaultyServer, answer, reply
from tests.datasync_app.tushare.virtual_clock import VirtualClock

Serve = Callable[..., FaultyServer]
NOW = dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)


class Uncounting(SlidingWindowRateLimiter):
    """Cannot count until the clock says so."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(100, 60, clock=clock, sleep=clock.sleep)
        self.clock = clock
        self.away_until = 0.0

    def acquire_blocking(self, cancelled: Callable[[], bool] | None = None) -> Slot:
        if self.clock.now < self.away_until:
            raise QuotaUnavailable("the database is away")
        return super().acquire_blocking(cancelled)


@pytest.fixture
def limiter(clock: VirtualClock) -> Uncounting:
    return Uncounting(clock)


@pytest.fixture
def circuit(clock: VirtualClock) -> Circuit:
    return Circuit(clock=clock)


@pytest.fixture
def client_of(
    clock: VirtualClock, limiter: Uncounting, circuit: Circuit, token: str
) -> Callable[[FaultyServer], TushareClient]:
    def make(server: FaultyServer) -> TushareClient:
        return TushareClient(
            token,
            server.url,
            limiters=EndpointLimiters(make=lambda api_name, max_calls: limiter),
            clock=clock,
            now=lambda: NOW + dt.timedelta(seconds=clock.now),
            sleep=clock.sleep,
            circuit=circuit,
        )

    return make


ClientOf = Callable[[FaultyServer], TushareClient]


def test_a_database_that_is_back_within_a_minute_costs_only_time(
    serve: Serve, client_of: ClientOf, clock: VirtualClock, limiter: Uncounting
) -> None:
    limiter.away_until = 50

    assert client_of(serve(answer(ROWS))).fetch("daily", {}, ["close"]).items
    assert 50 <= clock.now <= 55


def test_one_that_stays_away_ends_the_call_with_the_time_of_the_next_attempt(
    serve: Serve, client_of: ClientOf, clock: VirtualClock, limiter: Uncounting
) -> None:
    limiter.away_until = 1000
    server = serve(answer(ROWS))

    with pytest.raises(Uncounted, match=r"daily\(\) was not asked.*the database is away") as end:
        client_of(server).fetch("daily", {}, ["close"])

    assert 60 <= clock.now <= 65
    assert end.value.until == NOW + dt.timedelta(seconds=clock.now + 60)
    assert server.requests == []


def test_one_who_waits_for_it_can_be_cancelled(
    serve: Serve, client_of: ClientOf, clock: VirtualClock, limiter: Uncounting
) -> None:
    limiter.away_until = 1000

    with pytest.raises(CallCancelled):
        client_of(serve(answer(ROWS))).fetch(
            "daily", {}, ["close"], cancelled=lambda: clock.now >= 10
        )
    assert clock.now <= 12


def test_the_source_is_not_blamed_for_it(
    serve: Serve, client_of: ClientOf, clock: VirtualClock, limiter: Uncounting, circuit: Circuit
) -> None:
    limiter.away_until = 1000
    client = client_of(serve(answer(ROWS)))
    for _ in range(6):
        with pytest.raises(Uncounted):
            client.fetch("daily", {}, ["close"])

    assert circuit.let_go() is Way.FREE


def test_a_probe_that_could_not_be_counted_leaves_its_place_to_another(
    serve: Serve, client_of: ClientOf, clock: VirtualClock, limiter: Uncounting, circuit: Circuit
) -> None:
    server = serve(*[reply(502, b"")] * 5, answer(ROWS))
    client = client_of(server)
    for _ in range(2):
        with pytest.raises(TransportFailure):
            client.fetch("daily", {}, ["close"])
    clock.now += circuit.seconds_left()
    limiter.away_until = clock.now + 10

    assert client.fetch("daily", {}, ["close"]).items
    assert circuit.let_go() is Way.FREE
    assert clock.now <= limiter.away_until + 5
