"""The SDK gets from the database what it gets from the source that was synced."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Any

import pytest
import tushare
from django.contrib.auth.models import User
from django.db import connection
from pandas.testing import assert_frame_equal

from datasync_app.models import StockBasic
from datasync_app.protocol import ENDPOINTS, Request
from datasync_app.protocol.columns import COLUMNS
from datasync_app.serving.calls import serve
from datasync_app.serving.tables import TABLES
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.conftest import Pair
from tests.processes import REPOSITORY

pytestmark = pytest.mark.django_db

DAYS = {"start_date": "20251201", "end_date": "20251210"}
CALLS: list[tuple[str, dict[str, str]]] = [
    ("trade_cal", {"start_date": "20250101", "end_date": "20251231"}),
    ("trade_cal", {"exchange": "SZSE", "start_date": "20250401", "is_open": "1"}),
    ("stock_basic", {}),
    ("stock_basic", {"list_status": "D"}),
    ("stock_basic", {"list_status": "L,D", "exchange": "SZSE", "fields": "ts_code,delist_date,is_hs"}),
    ("daily", {"trade_date": "20251203"}),
    ("daily", {"trade_date": "20251206"}),
    ("daily", DAYS),
    ("daily", {**DAYS, "fields": "close,ts_code,ah_vol,nonsense"}),
    ("daily", {**DAYS, "limit": "50", "offset": "20"}),
    ("daily_basic", {"trade_date": "20251210"}),
    ("daily_basic", {**DAYS, "fields": "trade_date,ts_code,pe,limit_status"}),
    ("adj_factor", DAYS),
    ("suspend_d", DAYS),
    ("suspend_d", {**DAYS, "suspend_type": "R"}),
    ("index_daily", {"ts_code": "000300.SH", "start_date": "20250101", "end_date": "20251210"}),
    ("bse_mapping", {}),
    ("disclosure_date", {"actual_date": "20251030"}),
    ("disclosure_date", {"actual_date": "20251030", "fields": "ts_code,modify_date"}),
    ("fina_indicator_vip", {"period": "20250930", "allow_incomplete": "1"}),
    ("concept", {}),
    ("concept_detail", {"id": "TS3"}),
    ("concept_detail", {"id": "TS3", "fields": "ts_code,in_date"}),
    ("ths_index", {"exchange": "A", "type": "N"}),
    ("dc_member", {"trade_date": "20251210"}),
    ("dc_index", {"trade_date": "20251210"}),
    ("dc_index", {"trade_date": "20251210", "fields": "up_num,leading,name"}),
]  # fmt: skip
# One call of each endpoint that has rows; of those that are not here, everything there is.
PARAMS = {
    "trade_cal": {"start_date": "20250101", "end_date": "20251231"},
    "daily": DAYS,
    "daily_basic": DAYS,
    "adj_factor": DAYS,
    "suspend_d": DAYS,
    "index_daily": {"ts_code": "000300.SH", "start_date": "20251201", "end_date": "20251210"},
    "disclosure_date": {"actual_date": "20251030"},
    "fina_indicator_vip": {"period": "20250930", "allow_incomplete": "1"},
    "concept_detail": {"id": "TS3"},
    "ths_index": {"exchange": "A", "type": "N"},
    "dc_index": {"trade_date": "20251210"},
    "dc_member": {"trade_date": "20251210"},
}


@pytest.mark.parametrize(("api_name", "params"), CALLS, ids=str)
def test_it_gives_the_frame_of_the_source(
    pair: Pair, api_name: str, params: dict[str, str]
) -> None:
    theirs = pair.source.query(api_name, **params)
    ours = pair.ours.query(api_name, **params)
    assert_frame_equal(ours, theirs)


def test_the_constituents_of_one_concept_are_those_of_the_source(pair: Pair) -> None:
    whole = pair.source.query("dc_member", trade_date="20251210")
    params = {"trade_date": "20251210", "ts_code": whole.ts_code[0]}
    assert_frame_equal(
        pair.ours.query("dc_member", **params), pair.source.query("dc_member", **params)
    )
    boards = pair.source.query("ths_index", exchange="A", type="N")
    code = boards.ts_code[boards["count"].argmax()]
    theirs = pair.source.query("ths_member", ts_code=code)
    assert len(theirs) == boards["count"].max()
    assert_frame_equal(pair.ours.query("ths_member", ts_code=code), theirs)


def test_a_company_s_reports_are_those_of_the_source(pair: Pair) -> None:
    params = {"period": "20250930", "fields": "ts_code,ann_date,end_date,roe,update_flag"}
    every = pair.source.query("fina_indicator_vip", **params)
    assert len(every) > 40
    for code in sorted(set(every.ts_code))[:3]:
        theirs = pair.source.query("fina_indicator", ts_code=code, period="20250930")
        assert_frame_equal(
            pair.ours.query("fina_indicator", ts_code=code, period="20250930"), theirs
        )


def base_params(pair: Pair, api_name: str) -> dict[str, str]:
    """What is to be given to the endpoint to have some rows."""
    if api_name == "fina_indicator":
        reports = pair.source.query("fina_indicator_vip", period="20250930")
        return {"ts_code": reports.ts_code[0], "period": "20250930"}
    if api_name == "ths_member":
        boards = pair.source.query("ths_index", exchange="A", type="N")
        return {"ts_code": boards.ts_code[boards["count"].argmax()]}
    return {**PARAMS.get(api_name, {})}


@pytest.mark.parametrize("api_name", sorted(TABLES))
def test_every_endpoint_that_is_held_gives_the_columns_of_the_source(
    pair: Pair, api_name: str
) -> None:
    """Without `fields` its own, and every one of them where all are named."""
    params = base_params(pair, api_name)
    for fields in ("", ",".join(COLUMNS[api_name])):
        theirs = pair.source.query(api_name, fields=fields, **params)
        if api_name == "namechange":  # it repeats some rows, which are kept once
            theirs = theirs.drop_duplicates(ignore_index=True)
        assert len(theirs)
        assert_frame_equal(pair.ours.query(api_name, fields=fields, **params), theirs)


def test_several_codes_in_one_call(pair: Pair) -> None:
    day = pair.source.query("daily", trade_date="20251203")
    codes = ",".join(day.ts_code[:3])
    for name in ("daily", "suspend_d"):
        params = {"ts_code": codes, "start_date": "20251201", "end_date": "20251210"}
        assert_frame_equal(pair.ours.query(name, **params), pair.source.query(name, **params))


def test_the_whole_history_of_a_company_listed_since_the_horizon_needs_no_dates(
    pair: Pair,
) -> None:
    code = pair.source.query("daily", trade_date="20251203").ts_code[0]
    StockBasic.objects.filter(ts_code=code).update(list_date=dt.date(2025, 12, 1))
    theirs = pair.source.query("daily", ts_code=code, start_date="20251201")
    assert_frame_equal(pair.ours.query("daily", ts_code=code), theirs)


def test_the_documented_lines_work(pair: Pair) -> None:
    page = (REPOSITORY / "docs/how-to/tushare-sdk.md").read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"```python\n(.+?)```", page, re.DOTALL))
    notebook: dict[str, Any] = {"TOKEN": pair.token}
    exec(lines.replace("http://127.0.0.1:8000", pair.url), notebook)  # noqa: S102
    assert len(notebook["bars"]) > 40
    assert len(notebook["year"]) > 7 * len(notebook["bars"])
    assert list(notebook["year"].columns) == ["ts_code", "trade_date", "close"]


def test_a_limit_may_go_beyond_the_cap_of_the_source(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped = dataclasses.replace(ENDPOINTS["daily"], row_cap=100)
    monkeypatch.setitem(ENDPOINTS, "daily", capped)
    days = {"start_date": "20251201", "end_date": "20251210"}
    assert len(pair.ours.daily(**days)) == len(pair.source.daily(**days)) == 100
    assert len(pair.ours.daily(**days, limit=1_000)) > 300


def test_an_answer_is_written_in_pieces_as_it_is_read(
    pair: Pair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasync_app.serving.rows.VALUES_AT_ONCE", 100)
    days = {"start_date": "20251201", "end_date": "20251210"}
    request = Request("daily", pair.token, days, ("ts_code", "close"))
    served = serve(request, User.objects.get(username="reader"), now=clock())
    sizes = [piece.count(b".S") + piece.count(b".B") for piece in served.pieces]
    assert sum(sizes) == len(pair.source.daily(**days)) > 300
    assert max(sizes) == 50


def test_only_what_does_not_fit_into_one_batch_is_put_aside(
    pair: Pair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request("daily", pair.token, {"trade_date": "20251203"}, ("ts_code", "close"))
    aside = "SELECT count(*) FROM pg_cursors WHERE is_holdable"
    for at_once, cursors in ((1_000, 0), (10, 1)):
        monkeypatch.setattr("datasync_app.serving.rows.VALUES_AT_ONCE", at_once)
        served = serve(request, User.objects.get(username="reader"), now=clock())
        with connection.cursor() as cursor:
            cursor.execute(aside)
            assert cursor.fetchone() == (cursors,)
            assert b"".join(served.pieces).count(b".S") > 20
            cursor.execute(aside)
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("api_name", ["daily", "stock_basic", "dc_member", "concept"])
def test_rows_are_in_the_order_of_bytes_whatever_the_database_sorts_by(
    pair: Pair, api_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasync_app.serving.rows._sorts_by_bytes", lambda _database: False)
    params = base_params(pair, api_name)
    assert_frame_equal(pair.ours.query(api_name, **params), pair.source.query(api_name, **params))


@pytest.mark.parametrize("adjusted", [None, "qfq", "hfq"])
def test_pro_bar_gives_the_frame_of_the_source(pair: Pair, adjusted: str | None) -> None:
    """The SDK's own composition of several calls, with turnover and an average."""
    code = pair.source.query("daily", trade_date="20251203").ts_code[0]
    asked = {**DAYS, "ts_code": code, "adj": adjusted, "factors": ["tor", "vr"], "ma": [3]}
    theirs = tushare.pro_bar(api=pair.source, **asked)
    assert len(theirs) == 8
    assert "ma3" in theirs
    assert_frame_equal(tushare.pro_bar(api=pair.ours, **asked), theirs)
