"""What is tried again, how often, and after which wait."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.outcomes import (
    AnswerKind,
    BadRequest,
    CallCancelled,
    Denied,
    Mismatched,
    RateLimited,
    TransportFailure,
)
from tests.datasync_app.tushare.faulty_server import (
    ROWS,
    FaultyServer,
    answer,
    refuse,
    reply,
    reset_after,
)
from tests.datasync_app.tushare.virtual_clock import VirtualClock

Serve = Callable[..., FaultyServer]
Connect = Callable[..., TushareClient]

RATE_TEXT = "抱歉，您访问接口(daily)频率超限(200次/分钟)，具体频次详情"
REFUSED = refuse(40203, RATE_TEXT)


def test_it_succeeds_at_the_first_retry(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(REFUSED, answer(ROWS))

    assert connect(server.url).fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS

    assert clock.slept == [3]
    assert len(server.requests) == 2


def test_it_succeeds_after_several_retries(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(REFUSED, REFUSED, REFUSED, answer(ROWS))

    connect(server.url).fetch("daily", {}, ["close"])

    assert clock.slept == [3, 6, 12]


def test_it_raises_the_original_refusal_when_retries_are_exhausted(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(REFUSED)

    with pytest.raises(RateLimited, match="频率超限") as refusal:
        connect(server.url).fetch("daily", {"trade_date": "20240102"}, ["close"])

    assert (refusal.value.limit, refusal.value.code) == (200, 40203)
    assert clock.slept == [3, 6, 12]
    assert len(server.requests) == 4


def test_it_logs_each_retry_as_a_warning(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(REFUSED)
    with caplog.at_level(logging.WARNING, "datasync_app.tushare"), pytest.raises(RateLimited):
        connect(server.url).fetch("daily", {"trade_date": "20240102"}, ["close"])

    waits = [record.getMessage() for record in caplog.records]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert all(
        f"action=retry call=daily(trade_date=20240102) attempt={number} wait_seconds={wait}" in line
        for number, (wait, line) in enumerate(zip([3, 6, 12], waits, strict=True), start=1)
    )


def test_it_lets_the_refused_window_pass_before_it_asks_again(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(REFUSED, answer(ROWS))

    connect(server.url).fetch("daily", {}, ["close"])

    assert clock.now == pytest.approx(60)


def test_it_takes_a_slot_for_every_attempt(serve: Serve, connect: Connect) -> None:
    client = connect(serve(reply(502, b""), reply(502, b""), answer(ROWS)).url)

    client.fetch("daily", {}, ["close"])

    assert client.limiters.for_endpoint("daily").used() == 3


def test_a_slot_from_before_the_machine_slept_is_not_used(
    serve: Serve, clock: VirtualClock, token: str
) -> None:
    server = serve(answer(ROWS))
    # Asked for a slot at 0, awake again with it an hour later; then all goes on at once.
    times = iter([0.0, 0.0, 3600.0])
    client = TushareClient(
        token, server.url, clock=clock, sleep=clock.sleep, uptime=lambda: next(times, 3600.0)
    )
    client.fetch("daily", {}, ["close"])
    client.close()

    assert client.limiters.for_endpoint("daily").used() == 2
    assert len(server.requests) == 1


def test_it_learns_from_a_refusal(serve: Serve, connect: Connect) -> None:
    rows = [answer(ROWS)] * 41
    client = connect(serve(*rows, refuse(40203, "频率超限(40次/分钟)"), answer(ROWS)).url)

    for _ in range(42):
        client.fetch("daily", {}, ["close"])

    assert client.limiters.for_endpoint("daily").max_calls == 38


@pytest.mark.parametrize("unit", ["小时", "天"])
def test_it_does_not_retry_a_refusal_by_hour_or_day(
    serve: Serve, connect: Connect, clock: VirtualClock, unit: str
) -> None:
    server = serve(refuse(40203, f"抱歉，您每{unit}最多访问该接口1次"))

    with pytest.raises(RateLimited) as refusal:
        connect(server.url).fetch("stock_basic", {}, ["ts_code"])

    assert refusal.value.reset_at is not None
    assert clock.slept == []
    assert len(server.requests) == 1


def test_it_does_not_ask_an_exhausted_endpoint_again(serve: Serve, connect: Connect) -> None:
    server = serve(refuse(40203, "抱歉，您每小时最多访问该接口1次"), answer(ROWS))
    client = connect(server.url)
    for _ in range(3):
        with pytest.raises(RateLimited, match="每小时最多访问该接口1次"):
            client.fetch("stock_basic", {}, ["ts_code"])

    assert len(server.requests) == 1
    assert client.fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (refuse(40203, "抱歉，您没有接口访问权限，权限的具体详情访问"), Denied),
        (refuse(40101, "您的token不对，请确认。"), Denied),
        (refuse(40101, "ts_code required"), BadRequest),
        (answer({"code": 0, "data": {"fields": [], "items": []}}), Mismatched),
        (reply(404, b"no such page"), TransportFailure),
        (reply(302, b"", "Location: https://login.example/"), TransportFailure),
        (reply(200, b"<html>log in</html>"), TransportFailure),
        (answer({"code": 0, "data": None}), TransportFailure),
    ],
)
def test_it_does_not_retry_other_errors(
    serve: Serve,
    connect: Connect,
    clock: VirtualClock,
    behaviour: Callable[..., bool],
    kind: type[Exception],
) -> None:
    server = serve(behaviour)

    with pytest.raises(kind):
        connect(server.url).fetch("daily", {}, ["close"])

    assert clock.slept == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault", [reply(502, b""), reset_after(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{")]
)
def test_it_gives_a_transient_failure_a_short_second_and_third_try(
    serve: Serve, connect: Connect, clock: VirtualClock, fault: Callable[..., bool]
) -> None:
    server = serve(fault, fault, answer(ROWS))

    assert connect(server.url).fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS

    assert len(clock.slept) == 2
    assert all(0 <= wait <= 4 for wait in clock.slept)


def test_it_gives_up_on_a_lasting_outage(serve: Serve, connect: Connect) -> None:
    server = serve(reply(502, b""))

    with pytest.raises(TransportFailure, match="HTTP 502"):
        connect(server.url).fetch("daily", {}, ["close"])

    assert len(server.requests) == 3


def test_it_waits_as_long_as_the_source_asks(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(reply(429, b"", "Retry-After: 20"), answer(ROWS))

    connect(server.url).fetch("daily", {}, ["close"])

    assert clock.now == pytest.approx(20)


def test_it_can_be_cancelled_while_it_waits_for_quota(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(answer(ROWS))
    client = connect(server.url, max_calls=1)
    client.fetch("daily", {}, ["close"])

    with pytest.raises(CallCancelled):
        client.fetch("daily", {}, ["close"], cancelled=lambda: clock.now > 5)

    assert clock.now < 6
    assert len(server.requests) == 1


def test_it_can_be_cancelled_between_two_tries(
    serve: Serve, connect: Connect, clock: VirtualClock
) -> None:
    server = serve(REFUSED)

    with pytest.raises(CallCancelled):
        connect(server.url).fetch("daily", {}, ["close"], cancelled=lambda: clock.now >= 3)

    assert len(server.requests) == 1
