"""A circuit opens after repeated transport failures, and closes by itself."""

from __future__ import annotations

import datetime as dt
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.tushare.circuit import Circuit, Way
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from datasync_app.tushare.outcomes import (
    AnswerKind,
    CallCancelled,
    SourceAway,
    TransportFailure,
)
from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter
from tests.datasync_app.tushare.faulty_server import (
    ROWS,
    Behaviour,
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


def test_a_probe_that_is_never_heard_of_again_bars_the_others_for_two_minutes(
    clock: VirtualClock,
) -> None:
    circuit = opened(clock)
    clock.now = 30
    assert circuit.let_go() is Way.PROBE
    clock.now = 149
    assert circuit.let_go() is Way.BARRED
    clock.now = 150

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


def fail_twice(client: TushareClient) -> None:
    """Six attempts, of which the fifth opens the circuit."""
    for _ in range(2):
        with pytest.raises(TransportFailure):
            client.fetch("daily", {}, ["close"])


def test_a_probe_is_settled_even_if_nothing_can_be_learned_from_it(
    serve: Serve,
    client_of: Callable[[FaultyServer], TushareClient],
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(*[DOWN] * 5, reply(503, b"", "Retry-After: 5"), answer(ROWS))
    client = client_of(server)
    fail_twice(client)
    clock.now += 30

    def no_hold(self: SlidingWindowRateLimiter, seconds: float) -> None:
        raise RuntimeError("no room for that")

    with monkeypatch.context() as broken:
        broken.setattr(SlidingWindowRateLimiter, "hold", no_hold)
        with pytest.raises(RuntimeError, match="no room"):
            client.fetch("daily", {}, ["close"])
    with pytest.raises(SourceAway):
        client.fetch("daily", {}, ["close"])
    clock.now += 60

    assert client.fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS
    client.close()


def slowly(behaviour: Behaviour, gate: threading.Event) -> Behaviour:
    def behave(server: FaultyServer, connection: socket.socket) -> bool:
        gate.wait(10)
        return behaviour(server, connection)

    return behave


@pytest.fixture
def probing(
    serve: Serve, clock: VirtualClock, token: str
) -> Iterator[Callable[..., tuple[TushareClient, Circuit]]]:
    """A client in real time, whose circuit has been open and lets a probe go."""
    with ExitStack() as stack:

        def make(behaviour: Behaviour) -> tuple[TushareClient, Circuit]:
            circuit = Circuit(failures=1, clock=clock)
            client = TushareClient(token, serve(behaviour).url, circuit=circuit)
            stack.callback(client.close)
            circuit.failed("no answer")
            clock.now += 30
            return client, circuit

        yield make


def call_beside_a_probe(client: TushareClient, gate: threading.Event) -> list[object]:
    """How four calls of four endpoints end, of which the first waits for the gate."""

    def outcome_of(api_name: str) -> object:
        try:
            return client.fetch(api_name, {}, ["close"]).kind
        except TransportFailure as failure:
            return failure

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(outcome_of, name) for name in ("daily", "adj_factor", "a", "b")]
        assert not wait(calls, timeout=0.1).done
        gate.set()
    return [call.result() for call in calls]


def test_calls_beside_a_probe_wait_for_it_and_go_on_with_it(
    probing: Callable[..., tuple[TushareClient, Circuit]],
) -> None:
    gate = threading.Event()
    client, _ = probing(slowly(answer(ROWS), gate))

    assert call_beside_a_probe(client, gate) == [AnswerKind.ROWS] * 4


def test_calls_beside_a_probe_that_fails_are_told_when_the_next_one_is(
    probing: Callable[..., tuple[TushareClient, Circuit]],
) -> None:
    gate = threading.Event()
    client, _ = probing(slowly(reply(404, b""), gate))
    now = dt.datetime.now(dt.UTC)

    away = [end for end in call_beside_a_probe(client, gate) if isinstance(end, SourceAway)]
    assert len(away) == 3
    assert all(each.until >= now + dt.timedelta(seconds=60) for each in away)


def test_a_call_beside_a_probe_can_be_cancelled(
    probing: Callable[..., tuple[TushareClient, Circuit]],
) -> None:
    client, circuit = probing(answer(ROWS))
    assert circuit.let_go() is Way.PROBE

    with pytest.raises(CallCancelled):
        client.fetch("daily", {}, ["close"], cancelled=lambda: True)


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
