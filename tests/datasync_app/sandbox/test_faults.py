from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.sandbox.fault_plan import FaultPlan
from datasync_app.sandbox.faults import FAULTS, describe_faults
from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import REPOSITORY, Ask, without_id

# The whole of the small market's `daily`, newest day first as it is replayed.
ROWS = [
    ["000001.SZ", "20200102", 16.87, None],
    ["600000.SH", "20200102", 12.47, 516290.79],
    ["000001.SZ", "20200103", 17.18, 1116194.81],
]
CALL = {"api_name": "daily", "token": "t"}
DOC = "https://tushare.pro/document/1?doc_id=108。"


def spoiled(market: ReplayMarket, ask: Ask, fault: str, **params: str) -> dict[str, Any]:
    with Sandbox(market, faults={fault: 1}) as sandbox:
        answer = ask(sandbox, "daily", **params)
        assert sandbox.faulted == {fault: 1}
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.parametrize(
    ("fault", "status"),
    [("http_502", 502), ("http_500", 500), ("http_429", 429), ("redirect_302", 302), ("html", 200)],
)
def test_it_answers_with_a_page(
    small: ReplayMarket, session: requests.Session, fault: str, status: int
) -> None:
    with Sandbox(small, faults={fault: 1}) as sandbox:
        answer = session.post(sandbox.url, json=CALL, allow_redirects=False, timeout=30)

        assert (sandbox.served, sandbox.faulted) == ({}, {fault: 1})
        assert sandbox.faults_by_endpoint == {("daily", fault): 1}
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.content.startswith(b"<html>")


def test_it_hides_the_rows(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"empty": 1}) as sandbox:
        answer = ask(sandbox, "daily").json()

    assert answer["code"] == 0
    assert answer["data"]["fields"] == ["ts_code", "trade_date", "close", "vol"]
    assert answer["data"]["items"] == []


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        ("rate_minute", 40203, f"抱歉，您访问接口(daily)频率超限(200次/分钟)，具体频次详情：{DOC}"),
        ("rate_hour", 40203, f"抱歉，您访问接口(daily)频率超限(1次/小时)，具体频次详情：{DOC}"),
        ("rate_day", 40203, f"抱歉，您访问接口(daily)频率超限(5次/天)，具体频次详情：{DOC}"),
        ("rate_minute_old", 40203, f"抱歉，您每分钟最多访问该接口500次，权限的具体详情访问：{DOC}"),
        ("rate_hour_old", 40203, f"抱歉，您每小时最多访问该接口1次，权限的具体详情访问：{DOC}"),
        ("rate_day_old", 40203, f"抱歉，您每天最多访问该接口5次，权限的具体详情访问：{DOC}"),
        ("permission", 40203, f"抱歉，您没有接口(daily)访问权限，权限的具体详情访问：{DOC}"),
        ("permission_unnamed", 40203, f"抱歉，您没有接口访问权限，权限的具体详情访问：{DOC}"),
        ("permission_old", 2002, f"抱歉，您没有访问该接口的权限，权限的具体详情访问：{DOC}"),
        ("token", 40101, "您的token不对，请确认。"),
        ("ip", 40204, "您的IP数量超限，最大数量为2个！"),
        ("server_error", -1, "服务器错误，请稍后再试！期待您能把错误反馈给我们，谢谢！"),
    ],
)
def test_it_refuses_without_a_reason(
    small: ReplayMarket, ask: Ask, fault: str, code: int, text: str
) -> None:
    answer = spoiled(small, ask, fault)

    assert (answer["code"], answer["msg"], answer["data"]) == (code, text, None)


def test_it_asks_for_patience_with_status_429(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"http_429": 1}) as sandbox:
        assert ask(sandbox, "daily").headers["Retry-After"] == "1"


def test_it_redirects_to_no_other_host(small: ReplayMarket, session: requests.Session) -> None:
    with Sandbox(small, faults={"redirect_302": 1}) as sandbox:
        answer = session.post(sandbox.url, json=CALL, allow_redirects=False, timeout=30)

    assert answer.headers["Location"] == "/maintenance"


@pytest.mark.parametrize(
    ("fault", "content_type"),
    [("charset", "text/html"), ("charset_wrong", "application/json; charset=iso-8859-1")],
)
def test_it_sends_utf_8_under_another_label(
    small: ReplayMarket, ask: Ask, fault: str, content_type: str
) -> None:
    with Sandbox(small, faults={fault: 1}) as sandbox:
        answer = ask(sandbox, "stock_basic")

    assert answer.headers["Content-Type"] == content_type
    assert "平安银行" in answer.content.decode()


def test_it_sends_gbk_that_no_reader_of_utf_8_can_take(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"gbk": 1}) as sandbox:
        answer = ask(sandbox, "daily")

    assert json.loads(answer.content.decode("gbk"))["data"]["items"] == ROWS
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


def test_it_reports_success_without_data(small: ReplayMarket, ask: Ask) -> None:
    answer = spoiled(small, ask, "null_data")

    assert (answer["code"], answer["data"]) == (0, None)


def test_it_breaks_the_json_off_at_any_place(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"broken_json": 1}) as sandbox:
        bodies = [ask(sandbox, "daily").content for _ in range(20)]

    assert len({len(body) for body in bodies}) > 10
    for body in bodies:
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


def test_it_has_more_than_it_sends(small: ReplayMarket, ask: Ask) -> None:
    data = spoiled(small, ask, "has_more")["data"]

    assert (data["items"], data["has_more"]) == (ROWS[:2], True)


def test_it_reaches_the_cap_without_a_word(small: ReplayMarket, ask: Ask) -> None:
    data = spoiled(small, ask, "at_cap")["data"]

    assert (len(data["items"]), data["has_more"]) == (6000, False)
    assert data["items"][:4] == [*ROWS, ROWS[0]]


def test_it_moves_rows_to_another_date(small: ReplayMarket, ask: Ask) -> None:
    data = spoiled(small, ask, "other_date", trade_date="20200102")["data"]

    assert [row[:3] for row in data["items"]] == [
        ["000001.SZ", "20200101", 16.87],
        ["600000.SH", "20200101", 12.47],
    ]


def test_it_forgets_a_key_or_a_price(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"missing_field": 1}) as sandbox:
        tables = [ask(sandbox, "daily").json()["data"] for _ in range(30)]

    missing = [{"ts_code", "trade_date", "close", "vol"} - set(data["fields"]) for data in tables]
    assert {name for names in missing for name in names} == {"ts_code", "trade_date", "close"}
    assert all(len(names) == 1 for names in missing)
    assert {len(row) for data in tables for row in data["items"]} == {3}


def test_it_leaves_a_row_out(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"partial": 1}) as sandbox:
        answers = [ask(sandbox, "daily").json()["data"]["items"] for _ in range(30)]

    assert {len(items) for items in answers} == {2}
    assert all(row in ROWS for items in answers for row in items)
    assert {json.dumps(items) for items in answers} > {json.dumps(ROWS[1:]), json.dumps(ROWS[:2])}


@pytest.mark.parametrize(
    ("fault", "api_name", "params"),
    [
        ("partial", "daily", {"trade_date": "20200103"}),  # its only row
        ("other_date", "stock_basic", {}),  # has no dates
        ("at_cap", "stock_basic", {}),  # has no cap
        ("at_cap", "daily", {"trade_date": "20200104"}),  # no rows to repeat
        ("empty", "moneyflow", {}),  # refused anyway
        ("null_data", "moneyflow", {}),
    ],
)
def test_it_counts_no_fault_where_none_applies(
    small: ReplayMarket, ask: Ask, fault: str, api_name: str, params: dict[str, str]
) -> None:
    with Sandbox(small) as honest, Sandbox(small, faults={fault: 1}) as sandbox:
        wanted, got = (ask(one, api_name, **params).json() for one in (honest, sandbox))

        assert (sandbox.faulted, sandbox.served) == ({}, honest.served)
        assert sandbox.refused == honest.refused
    assert without_id(got) == without_id(wanted)


def test_it_stalls_and_then_hangs_up(small: ReplayMarket, ask: Ask) -> None:
    started = time.monotonic()
    with (
        Sandbox(small, faults={"stall": 1}, stall_seconds=0.1) as sandbox,
        pytest.raises(requests.ConnectionError),
    ):
        ask(sandbox, "daily")

    assert 0.1 <= time.monotonic() - started < 5


def test_it_drips_and_never_ends(small: ReplayMarket) -> None:
    with (
        Sandbox(small, faults={"slow_drip": 1}, stall_seconds=0.2, drip_seconds=0.02) as sandbox,
        socket.create_connection(("127.0.0.1", port(sandbox))) as connection,
    ):
        head, body = exchange(connection)

    announced = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    assert 3 <= len(body) < 20 < announced
    assert body == b'{"request_id":"'[: len(body)]


def test_it_never_sends_the_last_byte_of_a_fast_drip(small: ReplayMarket) -> None:
    with (
        Sandbox(small, faults={"slow_drip": 1}, stall_seconds=30, drip_seconds=0) as sandbox,
        socket.create_connection(("127.0.0.1", port(sandbox))) as connection,
    ):
        connection.settimeout(10)
        post(connection)
        received, announced, body = b"", -1, b""
        while len(body) != announced - 1:
            received += connection.recv(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            announced = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_it_resets_the_connection_amid_the_body(small: ReplayMarket) -> None:
    with (
        Sandbox(small, faults={"reset": 1}) as sandbox,
        socket.create_connection(("127.0.0.1", port(sandbox))) as connection,
        pytest.raises(ConnectionResetError),
    ):
        exchange(connection)


@pytest.mark.parametrize("fault", ["stall", "slow_drip"])
def test_it_lets_go_when_the_client_or_the_sandbox_leaves(small: ReplayMarket, fault: str) -> None:
    started = time.monotonic()
    with Sandbox(small, faults={fault: 1}, stall_seconds=600, drip_seconds=600) as sandbox:
        for leave in (True, False):
            connection = socket.create_connection(("127.0.0.1", port(sandbox)))
            post(connection)
            while len(sandbox.requests) < 2 - leave:
                time.sleep(0.001)
            if leave:
                connection.close()
    connection.close()

    assert time.monotonic() - started < 5


def port(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


def post(connection: socket.socket) -> None:
    body = json.dumps(CALL).encode()
    connection.sendall(
        b"POST /daily HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


def exchange(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head and whatever came of the body before the server hung up."""
    connection.settimeout(10)
    post(connection)
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def test_it_follows_a_script(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small) as sandbox:
        sandbox.faults.script(["http_502", None, "http_500"])
        statuses = [ask(sandbox, "daily").status_code for _ in range(4)]

    assert statuses == [502, 200, 500, 200]


def test_it_can_be_switched_while_it_runs(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"http_502": 1}) as sandbox:
        before = ask(sandbox, "daily").status_code
        sandbox.faults.set_rates({})

        assert (before, ask(sandbox, "daily").status_code) == (502, 200)


def test_it_spoils_the_share_it_was_told() -> None:
    plan = FaultPlan({"http_502": 0.2, "empty": 0.05}, seed=3)
    fates = [plan.next("daily", {}) for _ in range(4000)]
    names = [fate.name if fate else None for fate in fates]

    assert 700 < names.count("http_502") < 900
    assert 150 < names.count("empty") < 250


@given(seed=st.integers(0, 2**63 - 1), rate=st.floats(0, 1))
def test_it_spoils_the_same_calls_for_the_same_seed_in_whatever_order(
    seed: int, rate: float
) -> None:
    one, other = (FaultPlan({"html": rate}, seed) for _ in range(2))
    days = [f"202001{day:02d}" for day in range(1, 11)]
    forwards = {day: [one.next("daily", {"trade_date": day}) for _ in range(2)] for day in days}
    backwards = {
        day: [other.next("daily", {"trade_date": day}) for _ in range(2)] for day in reversed(days)
    }

    assert forwards == backwards


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ({"http_503": 0.1}, "There is no fault 'http_503'; known are "),
        ({"html": 1.5}, "The rate of fault html is 1.5; it must be 0 to 1."),
        ({"html": -0.1}, "The rate of fault html is -0.1; it must be 0 to 1."),
        ({"html": float("nan")}, "The rate of fault html is nan; it must be 0 to 1."),
        (
            {"html": 0.6, "empty": 0.6},
            "The fault rates add up to 1.2; together they may be 1 at most.",
        ),
    ],
)
def test_it_explains_what_cannot_be(rates: dict[str, float], sentence: str) -> None:
    with pytest.raises(SandboxProblem) as problem:
        FaultPlan(rates)

    assert str(problem.value).startswith(sentence)


def test_it_describes_every_fault_in_a_line() -> None:
    lines = describe_faults().splitlines()

    assert [line.split()[0] for line in lines] == list(FAULTS)
    assert (
        "http_429            a page with status 429 and Retry-After: 1 (failure of the transport)"
        in lines
    )


def test_the_handbook_lists_every_fault() -> None:
    rows = [f"| `{one.name}` | {one.summary} | {one.ends_in} |" for one in FAULTS.values()]

    assert "\n".join(rows) in (REPOSITORY / "docs/how-to/sandbox.md").read_text()
