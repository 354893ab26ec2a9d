from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import requests

from datasync_app.protocol import Rows
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import Ask, without_id

SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef01234567"


def test_it_answers_in_the_recorded_form(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small) as sandbox:
        answer = ask(sandbox, "daily", trade_date="20200102")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert without_id(answer.json()) == {
        "code": 0,
        "data": {
            "fields": ["ts_code", "trade_date", "close", "vol"],
            "items": [
                ["000001.SZ", "20200102", 16.87, None],
                ["600000.SH", "20200102", 12.47, 516290.79],
            ],
            "has_more": False,
            "count": -1,
        },
        "msg": "",
    }


@pytest.mark.parametrize("path", ["/", "/daily", "/dataapi", "/dataapi/", "/dataapi/daily"])
def test_it_listens_on_every_documented_path(
    small: ReplayMarket, session: requests.Session, path: str
) -> None:
    body = {"api_name": "daily", "token": "t", "params": {"trade_date": "20200103"}}
    with Sandbox(small) as sandbox:
        answer = session.post(sandbox.url + path, json=body, timeout=30).json()

    assert len(answer["data"]["items"]) == 1


def test_it_takes_the_endpoint_from_the_path_when_the_body_has_none(
    small: ReplayMarket, session: requests.Session
) -> None:
    with Sandbox(small) as sandbox:
        session.post(f"{sandbox.url}/dataapi/daily", json={"token": "t"}, timeout=30)

        assert sandbox.served == {"daily": 1}


def test_it_keeps_the_connection_open(
    small: ReplayMarket, ask: Ask, session: requests.Session
) -> None:
    with Sandbox(small) as sandbox:
        versions = [ask(sandbox, "daily").raw.version for _ in range(2)]

    assert versions == [11, 11]
    pools = session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]
    assert pools[next(iter(pools.keys()))].num_connections == 1


def test_it_can_take_its_port_again_at_once(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small) as sandbox:
        ask(sandbox, "daily")
        port = int(sandbox.url.rpartition(":")[2])
    with Sandbox(small, port=port) as sandbox:
        assert ask(sandbox, "daily").json()["code"] == 0


@pytest.mark.parametrize(
    "fields", ["close, nothing,ts_code", ["close", "nothing", "ts_code"], "close,ts_code,close"]
)
def test_it_sends_the_known_fields_in_the_order_asked_for(
    small: ReplayMarket, ask: Ask, fields: object
) -> None:
    with Sandbox(small) as sandbox:
        data = ask(sandbox, "daily", fields=fields, trade_date="20200103").json()["data"]

    assert data["fields"] == ["close", "ts_code"]
    assert data["items"] == [[17.18, "000001.SZ"]]


def test_it_takes_empty_parameters_and_the_sdk_s_own_for_not_given(
    small: ReplayMarket, ask: Ask
) -> None:
    with Sandbox(small) as sandbox:
        answer = ask(
            sandbox, "daily", trade_date="", ts_code=None, ts_type_name="http://127.0.0.1/dataapi"
        )

        assert len(answer.json()["data"]["items"]) == 3
        assert sandbox.requests == [("daily", {})]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"daily"', b'{"params": ["ts_code"]}', b'{"token": 5}', b"[" * 9999]
)
def test_it_refuses_a_body_that_is_no_call(
    small: ReplayMarket, session: requests.Session, body: bytes
) -> None:
    with Sandbox(small) as sandbox:
        answer = session.post(f"{sandbox.url}/daily", data=body, timeout=30).json()

    assert answer["code"] == 50101
    assert answer["msg"] == "查询数据失败，请确认参数！可以反馈管理员协助您排查问题"
    assert answer["data"] is None


def test_it_refuses_an_endless_body_without_reading_it(
    small: ReplayMarket, session: requests.Session
) -> None:
    with Sandbox(small) as sandbox:
        answer = session.post(sandbox.url, data=b" " * 1_000_001, timeout=30)

    assert answer.status_code == 413


@pytest.mark.parametrize("token", ["", "wrong"])
def test_it_refuses_a_bad_token(small: ReplayMarket, ask: Ask, token: str) -> None:
    with Sandbox(small, token="right") as sandbox:
        refused = ask(sandbox, "daily", token=token).json()
        accepted = ask(sandbox, "daily", token="right").json()

        assert sandbox.refusal_reasons == {("daily", "token"): 1}
    assert (refused["code"], refused["msg"]) == (40101, "您的token不对，请确认。")
    assert accepted["code"] == 0


def test_it_refuses_an_endpoint_that_does_not_exist(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        answer = ask(sandbox, "no_such_thing").json()

    assert (answer["code"], answer["msg"]) == (40101, "请指定正确的接口名")


def test_it_cuts_at_the_cap_and_says_so(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        data = ask(sandbox, "daily", fields="trade_date").json()["data"]

    assert len(data["items"]) == 6000
    assert data["has_more"] is True


def test_it_does_not_call_an_answer_of_just_the_cap_cut(ask: Ask) -> None:
    class ExactlyFull:
        identity = "test"

        def serves(self, api_name: str) -> bool:
            return True

        def default_fields(self, api_name: str) -> tuple[str, ...]:
            return ("ts_code",)

        def rows(self, api_name: str, params: object) -> tuple[tuple[str, ...], Rows]:
            return ("ts_code",), [["000001.SZ"]] * 6000

        refuse = None

    with Sandbox(ExactlyFull()) as sandbox:  # type: ignore[arg-type]
        data = ask(sandbox, "daily").json()["data"]

    assert (len(data["items"]), data["has_more"]) == (6000, False)


def test_it_tells_its_identity_in_a_header(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small) as sandbox:
        answer = ask(sandbox, "daily")

    assert answer.headers["X-StockSync-Source"] == "replay:small"


def test_it_can_pass_for_tushare_itself(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, identity=None) as sandbox:
        answer = ask(sandbox, "daily")

    assert "X-StockSync-Source" not in answer.headers


def test_it_survives_a_folder_with_a_chinese_name(
    small_folder: Path, ask: Ask, tmp_path: Path
) -> None:
    with Sandbox(ReplayMarket(small_folder.rename(tmp_path / "样本 1"))) as sandbox:
        answer = ask(sandbox, "daily")

    assert answer.headers["X-StockSync-Source"] == "replay:%E6%A0%B7%E6%9C%AC%201"


def test_it_never_logs_or_keeps_a_token(
    small: ReplayMarket, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="datasync_app")
    with Sandbox(small, quota=1) as sandbox:
        for api_name in ("daily", "daily", "user", "nothing"):
            ask(sandbox, api_name, token=SECRET)
        kept = repr(vars(sandbox)) + repr(sandbox.requests)

    assert SECRET not in caplog.text
    assert SECRET not in kept


def test_it_drops_the_token_that_the_user_call_repeats(
    small: ReplayMarket, session: requests.Session
) -> None:
    body = {"api_name": "user", "token": SECRET, "params": {"token": SECRET}}
    with Sandbox(small) as sandbox:
        session.post(sandbox.url, data=json.dumps(body), timeout=30)

        assert sandbox.requests == [("user", {})]
