"""What the protocol refuses, always in Tushare's form: HTTP 200, a code, a sentence, no data."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from knox.models import AuthToken
from pytest_django import Settings

from datasync_app.models import CellState, Daily, SyncLedger
from tests.datasync_app.serving.conftest import Pair
from tests.datasync_app.serving.web import sdk

pytestmark = pytest.mark.django_db


def post(pair: Pair, body: bytes, path: str = "/dataapi") -> dict[str, Any]:
    answer = requests.post(pair.url + path, data=body, timeout=30)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() == {"request_id", "code", "data", "msg"}
    return document


def call(pair: Pair, api_name: str, **params: object) -> dict[str, Any]:
    body = {"api_name": api_name, "token": pair.token, "params": params, "fields": ""}
    return post(pair, json.dumps(body).encode())


def make_hole(day: str) -> None:
    Daily.objects.filter(trade_date=dt.datetime.strptime(day, "%Y%m%d").date()).delete()
    cell = SyncLedger.objects.filter(dataset="daily", cell=day)
    cell.update(state=CellState.PARTIAL, last_error="56 codes are missing")


def test_a_hole_in_one_cell_is_named(pair: Pair) -> None:
    make_hole("20251203")
    for params in ({"trade_date": "20251203"}, {"start_date": "20251201", "end_date": "20251210"}):
        answer = call(pair, "daily", **params)
        assert (answer["code"], answer["data"]) == (40901, None)
        assert "Not good are: 20251203 (partial: 56 codes are missing)." in answer["msg"]
    with pytest.raises(Exception, match="20251203 .partial: 56 codes are missing"):
        pair.ours.daily(trade_date="20251203")
    assert call(pair, "daily", trade_date="20251204")["code"] == 0
    assert call(pair, "adj_factor", trade_date="20251203")["code"] == 0


def test_an_incomplete_answer_that_is_allowed_says_so(pair: Pair, settings: Settings) -> None:
    make_hole("20251203")
    allowed = call(pair, "daily", start_date="20251201", end_date="20251210", allow_incomplete=1)
    assert allowed["code"] == 0
    assert "20251203" in allowed["msg"]
    assert "20251203" not in {row[1] for row in allowed["data"]["items"]}
    settings.SERVE_INCOMPLETE = True
    answer = requests.post(
        f"{pair.url}/dataapi/daily",
        json={"token": pair.token, "params": {"trade_date": "20251203"}},
        timeout=30,
    )
    assert answer.headers["X-StockSync-Incomplete"] == "1"
    assert (answer.json()["code"], answer.json()["data"]["items"]) == (0, [])


@pytest.mark.parametrize(
    ("api_name", "params", "said"),
    [
        ("daily", {"ts_code": "600000.SH"}, "kept from 20251201 on"),
        ("daily", {"start_date": "20251120", "end_date": "20251201"}, "20251128 (never fetched)"),
        ("daily", {"start_date": "20240102", "end_date": "20240105"}, "calendar of 2024"),
        ("daily_basic", {}, "kept from 20251201 on"),
        ("index_daily", {"ts_code": "399006.SZ"}, "399006.SZ (it is not held"),
        ("trade_cal", {"start_date": "20240101", "end_date": "20241231"}, "SSE:2024"),
        ("ths_index", {}, "only exchange=A is held"),
        ("ths_member", {"con_code": "600000.SH"}, "ask with ts_code"),
        ("ths_member", {"ts_code": "881009.TI"}, "881009.TI (this concept is not on the list"),
        ("dc_member", {"trade_date": "20251209"}, "ask with trade_date=20251210"),
        ("disclosure_date", {"actual_date": "20250830"}, "actual:20250830 (never fetched)"),
        ("disclosure_date", {"end_date": "20241231"}, "disclosure_date is kept from 20250930"),
        ("fina_indicator", {"ts_code": "600000.SH"}, "kept from 20250930 on"),
    ],
)
def test_it_names_what_is_not_held(
    pair: Pair, api_name: str, params: dict[str, str], said: str
) -> None:
    answer = call(pair, api_name, **params)
    assert (answer["code"], answer["data"]) == (40901, None)
    assert said in answer["msg"]


def test_endpoints_that_nobody_knows_and_missing_parameters(pair: Pair) -> None:
    assert call(pair, "nonsense")["msg"] == "请指定正确的接口名"
    assert call(pair, "../../etc/passwd")["code"] == 40101
    assert call(pair, "income", ts_code="600000.SH")["msg"] == "This database does not hold income."
    assert call(pair, "index_daily")["msg"] == "参数校验失败, ts_code至少输入一个参数"
    assert call(pair, "daily", trade_date="20251203", nonsense="1")["code"] == 0


@pytest.mark.parametrize("forged", ["", "forged", "0" * 64, "密", "a\x00b", " ", "x" * 900_000])
def test_a_token_that_is_none_of_ours(pair: Pair, forged: str) -> None:
    body = {"api_name": "daily", "token": forged, "params": {}}
    assert post(pair, json.dumps(body).encode())["msg"] == "您的token不对，请确认。"


def test_a_plain_user_reads_what_they_may_view(pair: Pair) -> None:
    user = User.objects.create_user("plain")
    token = AuthToken.objects.create(user)[1]
    own = sdk(pair.url, token)
    with pytest.raises(Exception, match=r"没有接口\(daily\)访问权限"):
        own.daily(trade_date="20251203")
    user.user_permissions.add(Permission.objects.get(codename="view_daily"))
    assert len(own.daily(trade_date="20251203")) > 40
    with pytest.raises(Exception, match=r"没有接口\(adj_factor\)访问权限"):
        own.adj_factor(trade_date="20251203")
    User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(Exception, match="token不对"):
        own.daily(trade_date="20251203")


def test_neither_a_header_nor_a_session_is_a_token(pair: Pair) -> None:
    answer = requests.post(
        f"{pair.url}/dataapi/daily",
        json={"params": {"trade_date": "20251203"}},
        headers={"Authorization": f"Token {pair.token}"},
        timeout=30,
    )
    assert answer.json()["code"] == 40101


@pytest.mark.parametrize(
    "params",
    [
        {"trade_date": "20251203' OR 1=1 --"},
        {"start_date": "20251301"},
        {"trade_date": 20251203.5},
        {"trade_date": ["20251203", "20251204"]},
        {"trade_date": {"deep": [1, 2]}},
        {"trade_date": "20251203", "limit": "-1"},
        {"trade_date": "20251203", "limit": "ten"},
        {"trade_date": "20251203", "offset": "9" * 30},
        {"trade_date": "20251203", "ts_code": "a\x00b"},
        {"trade_date": "20251203", "ts_code": "\ud800"},
        {"trade_date": "20251203", "ts_code": ",".join(f"{n:06}" for n in range(20_000))},
    ],
    ids=lambda params: str(params)[:50],
)
def test_parameters_that_make_no_sense(pair: Pair, params: dict[str, Any]) -> None:
    answer = call(pair, "daily", **params)
    assert (answer["code"], answer["data"]) == (50101, None)


@pytest.mark.parametrize(
    ("api_name", "params"),
    [
        ("daily", {"trade_date": "00010101"}),
        ("daily", {"start_date": "00010101", "end_date": "99991231"}),
        ("daily", {"start_date": "20251210", "end_date": "20251201"}),
        ("index_daily", {"ts_code": "000300.SH", "start_date": "99991231"}),
        ("trade_cal", {"start_date": "99991231"}),
        ("trade_cal", {"exchange": ",".join(map(str, range(9_999)))}),
        ("disclosure_date", {"end_date": "99991231"}),
        ("disclosure_date", {"ann_date": "00010101"}),
        ("fina_indicator", {"ts_code": "600000.SH", "ann_date": "00010101"}),
        ("fina_indicator", {"ts_code": "600000.SH", "start_date": "99991231"}),
        ("fina_indicator_vip", {"period": "00010101"}),
        ("ths_member", {"ts_code": ",".join(map(str, range(9_999)))}),
        ("dc_index", {"trade_date": "99991231"}),
        ("stock_basic", {"list_status": "X"}),
        ("namechange", {"end_date": "00010101"}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_ends_of_time_are_answered_too(
    pair: Pair, api_name: str, params: dict[str, str]
) -> None:
    assert call(pair, api_name, **params)["code"] in {0, 40901}
    assert call(pair, api_name, **params, allow_incomplete=1)["code"] == 0


def test_sql_in_a_parameter_is_a_value_that_nothing_has(pair: Pair) -> None:
    held = Daily.objects.count()
    answer = call(
        pair, "daily", trade_date="20251203", ts_code="x'; DELETE FROM daily; --", exchange="'"
    )
    assert (answer["code"], answer["data"]["items"]) == (0, [])
    body = {
        "api_name": "daily",
        "token": pair.token,
        "params": {"trade_date": "20251203"},
        "fields": 'ts_code"; DROP TABLE daily; --,close',
    }
    assert post(pair, json.dumps(body).encode())["data"]["fields"] == ["close"]
    assert Daily.objects.count() == held


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'"daily"',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"params": []}',
        b'{"token": 1}',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_call(pair: Pair, body: bytes) -> None:
    assert post(pair, body)["code"] in {40101, 50101}


def test_a_million_codes_and_a_body_of_a_hundred_megabytes(pair: Pair) -> None:
    codes = ",".join(f"{n:06}.SH" for n in range(1_000_000))
    assert call(pair, "daily", ts_code=codes)["code"] == 50101
    assert post(pair, b" " * 100_000_000)["code"] == 50101


def test_only_post_is_answered(pair: Pair) -> None:
    assert requests.get(f"{pair.url}/dataapi/daily", timeout=30).status_code == 405
