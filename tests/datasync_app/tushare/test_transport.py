"""Real sockets, real faults: each ends in a typed failure, within the deadline, without the token."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from datasync_app.tushare.addresses import is_loopback
from datasync_app.tushare.circuit import Circuit, Way
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.journal import CallJournal
from datasync_app.tushare.outcomes import (
    AnswerKind,
    CallCancelled,
    TransportFailure,
    TushareError,
)
from datasync_app.tushare.transport import Transport
from datasync_app.tushare.wire import Call
from tests.datasync_app.tushare.faulty_server import (
    ROWS,
    Behaviour,
    FaultyServer,
    answer,
    drip,
    raw,
    refuse,
    reply,
    reset_after,
    stall,
)
from tests.waiting import eventually

Serve = Callable[..., FaultyServer]
Connect = Callable[..., TushareClient]

DEADLINE = 0.15
OK = b"HTTP/1.1 200 OK\r\n"

FAULTS: dict[str, Behaviour] = {
    "stall": stall,
    "drip in the status line": drip(b"HTTP/1.1 200 O"),
    "drip in the headers": drip(OK + b"X-Slow: "),
    "drip in the body": drip(OK + b"Content-Length: 100000\r\n\r\n"),
    "drip in a body without end": drip(OK + b"\r\n{"),
    "no answer": raw(b""),
    "not http": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "reset before the answer": reset_after(b""),
    "reset in the body": reset_after(OK + b"Content-Length: 100\r\n\r\n{"),
    "cut body": raw(OK + b"Content-Length: 100\r\n\r\n{"),
    "cut body without length": raw(OK + b'\r\n{"code": 0, "data": {"fields": ["close"], "it'),
    "broken gzip": raw(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    "html": reply(200, b"<html><title>Please log in</title></html>"),
    "redirect": reply(302, b"", "Location: https://login.example/"),
    "502": reply(502, b"<title>Bad Gateway</title>"),
    "429": reply(429, b""),
    "404": reply(404, b""),
    "empty body": reply(200, b""),
    "broken json": reply(200, b'{"code": 0,'),
    "data null": answer({"code": 0, "msg": "", "data": None}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_never_takes_a_fault_for_no_data(fault: str, serve: Serve, connect: Connect) -> None:
    client = connect(serve(FAULTS[fault]).url, call_timeout=DEADLINE)

    with pytest.raises(TransportFailure, match=r"daily\(trade_date=20240102\)"):
        client.fetch("daily", {"trade_date": "20240102"}, ["close"])


@pytest.mark.parametrize("fault", [name for name in FAULTS if name.startswith(("drip", "stall"))])
def test_it_ends_every_call_at_its_deadline(fault: str, serve: Serve, token: str) -> None:
    transport = Transport(serve(FAULTS[fault]).url, call_timeout=DEADLINE)
    start = time.monotonic()

    with pytest.raises(TransportFailure, match=r"0\.15 s|timed out") as failure:
        transport.post(Call("daily"), {}, token=token)

    transport.close()
    assert time.monotonic() - start < 10 * DEADLINE
    assert failure.value.transient


def test_it_leaves_no_thread_behind(serve: Serve, connect: Connect) -> None:
    client = connect(serve(answer(ROWS)).url)
    before = threading.active_count()

    for _ in range(5):
        client.fetch("daily", {}, ["close"])

    assert threading.active_count() <= before + 1  # the server's thread for the one connection


def test_closing_the_client_ends_calls_under_way_and_blames_nobody(
    serve: Serve, token: str
) -> None:
    server = serve(drip(OK + b"\r\n{"))
    circuit = Circuit(failures=1)
    journal = Mock(CallJournal)
    client = TushareClient(token, server.url, circuit=circuit, journal=journal)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(client.fetch, name, {}, ["close"]) for name in ("daily", "adj_factor")]
        assert eventually(lambda: len(server.requests) == 2)
        start = time.monotonic()
        client.close()
        for call in calls:
            with pytest.raises(CallCancelled, match="cut off, as its client was closed"):
                call.result(10)
    assert time.monotonic() - start < 5

    # Both have cost quota, which is written down; no further one is made.
    assert client.limiters.for_endpoint("daily").used() == 1
    assert [each.args[0].outcome for each in journal.record.call_args_list] == ["transport"] * 2
    assert circuit.let_go() is Way.FREE
    with pytest.raises(CallCancelled, match=r"daily\(\) was not asked, as its client is closed"):
        client.fetch("daily", {}, ["close"])
    assert len(server.requests) == 2


def test_it_recovers_after_a_call_that_was_ended(serve: Serve, connect: Connect) -> None:
    client = connect(serve(stall, answer(ROWS)).url, call_timeout=DEADLINE)

    assert client.fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS


def test_it_connects_again_when_the_source_closed_an_idle_connection(
    serve: Serve, connect: Connect
) -> None:
    body = b'{"code":0,"data":{"fields":["close"],"items":[[1.5]]}}'
    server = serve(raw(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body))
    client = connect(server.url)

    for _ in range(3):
        assert client.fetch("daily", {}, ["close"]).kind is AnswerKind.ROWS


def test_it_tells_a_refused_connection(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(TransportFailure, match="refused") as failure:
        connect(f"http://127.0.0.1:{port}").fetch("daily", {}, ["close"])

    assert failure.value.transient


def test_it_takes_a_tls_failure_for_a_lasting_one(serve: Serve, connect: Connect) -> None:
    server = serve(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    with pytest.raises(TransportFailure) as failure:
        connect(server.url.replace("http:", "https:")).fetch("daily", {}, ["close"])

    assert not failure.value.transient


def test_it_uses_no_proxy_on_loopback(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(reply(502, b""))
    server = serve(answer(ROWS))
    monkeypatch.setenv("http_proxy", proxy.url)

    connect(server.url).fetch("daily", {}, ["close"])

    assert proxy.requests == []


def test_it_honours_the_proxy_of_the_environment_elsewhere(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(answer(ROWS))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    connect("http://tushare.example/dataapi").fetch("daily", {}, ["close"])

    assert proxy.requests[0][0] == "http://tushare.example/dataapi/daily"


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Whatever is not loopback goes through this proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def use(proxy: str) -> None:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("https_proxy", proxy)

    return use


@pytest.mark.parametrize("fault", [stall, drip(b"HTTP/1.1 200 O"), reply(407, b"")])
def test_it_asks_the_proxy_for_a_tunnel_and_waits_for_it_no_longer_than_for_an_answer(
    fault: Behaviour,
    serve: Serve,
    behind: Callable[[str], None],
    token: str,
) -> None:
    proxy = serve(fault)
    behind(proxy.url)
    transport = Transport("https://tushare.example/dataapi", call_timeout=DEADLINE)
    start = time.monotonic()

    with pytest.raises(TransportFailure):
        transport.post(Call("daily"), {"token": token}, token=token)

    transport.close()
    assert time.monotonic() - start < 10 * DEADLINE
    assert proxy.heads[0].startswith("CONNECT tushare.example:443 ")
    assert token not in "".join(proxy.heads)


def test_it_waits_for_tls_no_longer_than_for_an_answer(serve: Serve, token: str) -> None:
    record = b"\x16\x03\x03\x40\x00"  # the head of a long record, which then drips
    url = serve(drip(record)).url.replace("http:", "https:")
    transport = Transport(url, call_timeout=DEADLINE)
    start = time.monotonic()

    with pytest.raises(TransportFailure):
        transport.post(Call("daily"), {}, token=token)

    transport.close()
    assert time.monotonic() - start < 10 * DEADLINE


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:geheim@",
        "http://user:geheim@127.0.0.1:notaport",
        "http://user:ge/heim@127.0.0.1:1",
        "socks5://user:geheim@127.0.0.1:1",
        "user:geheim@127.0.0.1:1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_used_is_a_lasting_failure_and_its_password_is_not_told(
    scheme: str, proxy: str, connect: Connect, behind: Callable[[str], None]
) -> None:
    behind(proxy)

    with pytest.raises(TransportFailure) as failure:
        connect(f"{scheme}://tushare.example/dataapi").fetch("daily", {}, ["close"])

    assert not failure.value.transient
    told = "".join(traceback.format_exception(failure.value))
    assert "geheim" not in told and "heim@" not in told


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://localhost:1/dataapi", True),
        ("http://[::1]:8000", True),
        ("https://api.tushare.pro/dataapi", False),
        ("http://10.0.0.1", False),
    ],
)
def test_it_knows_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_it_tells_the_token_to_nobody(
    serve: Serve, connect: Connect, token: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repeats = [
        refuse(40101, f"您的token不对，请确认。{token}"),
        refuse(40203, f"频率超限(1次/分钟) {token}"),
        reply(500, token.encode()),
        reply(302, b"", f"Location: https://login.example/?token={token}"),
        reply(200, f"<title>{token}</title>".encode()),
        reset_after(b""),
        drip(OK + b"X-Slow: "),
    ]
    told = []
    with caplog.at_level(logging.DEBUG):
        for behaviour in repeats:
            client = connect(serve(behaviour).url, call_timeout=DEADLINE)
            told.append(repr(client))
            with pytest.raises(TushareError) as failure:
                client.fetch("user", {"token": token, "trade_date": "20240102"}, ["close"])
            error: BaseException | None = failure.value
            told += traceback.format_exception(failure.value)
            while error is not None:
                told += [repr(error), repr(vars(error))]
                error = error.__cause__ or error.__context__

    everything = "".join([*told, caplog.text])
    assert "20240102" in everything
    assert token not in everything
    assert list(home.rglob("*")) == []


def test_it_sends_no_password_from_the_home_folder(
    serve: Serve, connect: Connect, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".netrc").write_text("default login somebody password hidden\n")
    proxy = serve(answer(ROWS))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")

    connect("http://tushare.example/dataapi").fetch("daily", {}, ["close"])

    assert "authorization" not in proxy.heads[0].lower()
