"""A circuit opens after repeated transport failures, and closes by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.tushare.circuit import Circuit, Way
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from datasync_app.tushare.outcomes import AnswerKind, SourceAway, TransportFailure
from tests.datasync_app.tushare.faulty_server import (
    ROWS,
    FaultyServer,
    answer,
    refuse,
    reply,
)
from tests.datasync_app.tushare.virtual_clock import VirtualClock

Serve = Callable[..., FaultyServer]
DOWN = reply(502, b"")


def opened(clock: VirtualClock) -> Circuit:
    circuit = Circuit(clock=clock)
    for _ in range(5):
        assert circuit.let_go() is Way.FREE
        circuit.failed("no answer")
    return circuit


def test_it_opens_after_five_failures_in_a_row(clock: VirtualClock) -> None:
    circuit = opened(clock)

    assert circuit.let_go() is Way.BARRED
    assert circuit.seconds_left() == 30


def test_an_answer_between_failures_keeps_it_closed(clock: VirtualClock) -> None:
    circuit = Circuit(clock=clock)
    for number in range(20):
        if number % 4 == 3:
            circuit.succeeded()
        else:
            circuit.failed("no answer")

    assert circuit.let_go() is Way.FREE


def test_it_lets_one_call_go_as_a_probe_and_closes_when_it_is_answered(
    clock: VirtualClock,
) -> None:
    circuit = opened(clock)
    clock.now = 30

    assert [circuit.let_go() for _ in range(3)] == [Way.PROBE, Way.BARRED, Way.BARRED]
    circuit.succeeded()
    assert circuit.let_go() is Way.FREE


def test_it_stays_open_for_growing_times_up_to_ten_minutes(clock: VirtualClock) -> None:
    circuit = opened(clock)
    pauses = []
    for _ in range(7):
        pauses.append(circuit.seconds_left())
        clock.now += pauses[-1]
        assert circuit.let_go() is Way.PROBE
        circuit.failed("still no answer")

    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_probe_that_was_not_made_leaves_its_place_to_another(clock: VirtualClock) -> None:
    circuit = opened(clock)
    clock.now = 30
    circuit.gave_up(circuit.let_go())

    assert circuit.let_go() is Way.PROBE


def test_calls_under_way_when_it_opened_do_not_lengthen_it(clock: VirtualClock) -> None:
    circuit = opened(clock)
    circuit.failed("a late one")

    assert circuit.seconds_left() == 30


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 200)), max_size=60))
def test_a_source_that_answers_again_is_called_again_within_ten_minutes(
    past: list[tuple[bool, float]],
) -> None:
    clock = VirtualClock()
    circuit = Circuit(clock=clock)
    for answers, seconds in past:
        way = circuit.let_go()
        if way is not Way.BARRED:
            circuit.succeeded() if answers else circuit.failed("no answer")
        clock.now += seconds
    assert circuit.seconds_left() <= 600
    clock.now += circuit.seconds_left()

    assert circuit.let_go() is not Way.BARRED
    circuit.succeeded()
    assert circuit.let_go() is Way.FREE


@pytest.fixture
def client_of(clock: VirtualClock, token: str) -> Callable[[FaultyServer], TushareClient]:
    def make(server: FaultyServer) -> TushareClient:
        return TushareClient(
            token,
            server.url,
            limiters=EndpointLimiters(clock=clock, sleep=clock.sleep),
            clock=clock,
            sleep=clock.sleep,
            circuit=Circuit(clock=clock),
        )

    return make


def test_while_it_is_open_calls_fail_at_once_and_cost_no_quota(
    serve: Serve, client_of: Callable[[FaultyServer], TushareClient], clock: VirtualClock
) -> None:
    server = serve(DOWN)
    client = client_of(server)
    for _ in range(2):
        with pytest.raises(TransportFailure):
            client.fetch("daily", {}, ["close"])
    assert len(server.requests) == 5

    before = clock.now
    for _ in range(10):
        with pytest.raises(SourceAway, match="tried again at .* UTC") as away:
            client.fetch("adj_factor", {}, ["close"])
    assert away.value.until is not None
    assert clock.now == before
    assert len(server.requests) == 5
    assert client.limiters.for_endpoint("adj_factor").used() == 0
    client.close()


def test_calls_go_on_once_the_source_is_back(
    serve: Serve, client_of: Callable[[FaultyServer], TushareClient], clock: VirtualClock
) -> None:
    server = serve(*[DOWN] * 5, answer(ROWS))
    client = client_of(server)
    for _ in range(2):
        with pytest.raises(TransportFailure):
            client.fetch("daily", {}, ["close"])
    clock.now += 30

    for _ in range(3):
        assert client.fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS
    client.close()


def test_refusals_are_answers(
    serve: Serve, client_of: Callable[[FaultyServer], TushareClient]
) -> None:
    server = serve(
        *itertools.chain.from_iterable([[DOWN, DOWN, refuse(50101, "参数校验失败")]] * 4),
        answer(ROWS),
    )
    client = client_of(server)
    for _ in range(4):
        with pytest.raises(Exception, match="参数校验失败"):
            client.fetch("daily", {}, ["close"])

    assert client.fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS
    client.close()
