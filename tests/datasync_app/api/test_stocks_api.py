"""Stocks over HTTP: found by code or name, their bars, and why a day has none."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from datasync_app.datasets import DAILY
from datasync_app.engine import horizon
from datasync_app.models import (
    AdjFactor,
    CellState,
    CodeChange,
    Daily,
    StockBasic,
    SuspendD,
    SyncQuarantine,
)
from tests.datasync_app.factories import (
    NOW,
    LedgerFactory,
    StockBasicFactory,
    hold_calendar,
)
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

CODE = "600000.SH"
BARS = f"/api/stocks/{CODE}/bars"
FIRST, LAST = dt.date(2019, 6, 3), dt.date(2019, 6, 28)
HOLIDAY = dt.date(2019, 6, 7)


@pytest.fixture(autouse=True)
def nobody_has_asked_yet() -> None:
    cache.clear()


@pytest.fixture
def staff() -> Client:
    return logged_in()


@pytest.fixture
def market() -> None:
    """June 2019: every open day is complete, and the code has a bar of each."""
    hold_calendar(2019, closed={HOLIDAY})
    StockBasicFactory.create(ts_code=CODE, name="浦发银行", list_date=dt.date(1999, 11, 10))
    horizon.move_earlier(DAILY, FIRST)
    for number, day in enumerate(open_days()):
        hold(day, 10 + number)


def open_days() -> list[dt.date]:
    days = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    return [day for day in days if day.weekday() < 5 and day != HOLIDAY]


def hold(day: dt.date, price: float) -> None:
    LedgerFactory.create(cell_date=day)
    Daily.objects.create(
        ts_code=CODE, trade_date=day, open=price, high=price + 1, low=price - 1, close=price,
        pre_close=price, pct_chg=0.0, vol=100.0, amount=1.0,
    )  # fmt: skip


def lack(day: dt.date, **ledger: Any) -> None:
    """Take the bar of a day away; what the ledger says of it instead."""
    Daily.objects.filter(ts_code=CODE, trade_date=day).delete()
    LedgerFactory._meta.model.objects.filter(cell_date=day).update(
        **ledger or {"state": "complete"}
    )


def absent(
    staff: Client, query: str = "?start=20190603&end=20190628"
) -> list[tuple[str, str, str]]:
    answer = staff.get(BARS + query).json()
    return [(each["trade_date"], each["kind"], each["reason"]) for each in answer["absent"]]


def test_stocks_are_found_by_code_or_name(staff: Client) -> None:
    StockBasicFactory.create(ts_code=CODE, name="浦发银行")
    StockBasicFactory.create(ts_code="000001.SZ", name="平安银行", list_status="D")
    for text, codes in (
        ("6000", [CODE]), ("600000.sh", [CODE]), ("银行", ["000001.SZ", CODE]), ("'; --", []),
        ("", ["000001.SZ", CODE]),
    ):  # fmt: skip
        found = staff.get("/api/stocks", {"q": text}).json()["results"]
        assert [each["ts_code"] for each in found] == codes
    assert len(staff.get("/api/stocks?limit=1").json()["results"]) == 1
    assert staff.get("/api/stocks?limit=101").status_code == 400


def test_the_bars_of_a_year_up_to_the_newest(staff: Client, market: None) -> None:
    answer = staff.get(BARS).json()
    assert (answer["start"], answer["end"]) == ("2018-06-28", "2019-06-28")
    assert len(answer["bars"]) == len(open_days())
    assert answer["bars"][0] == {
        "trade_date": "2019-06-03", "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0,
        "pre_close": 10.0, "pct_chg": 0.0, "vol": 100.0, "amount": 1.0,
    }  # fmt: skip
    # Nobody can say which days of 2018 were open.
    assert {each["trade_date"][:4] for each in answer["absent"]} == {"2019"}
    assert {each["kind"] for each in answer["absent"]} == {"not_kept"}
    assert "The calendar of 2018 is not held" in answer["doubt"]


def test_adjusted_prices_are_raw_ones_times_the_factor(staff: Client, market: None) -> None:
    for day, factor in ((FIRST, 2.0), (LAST, 4.0)):
        AdjFactor.objects.create(ts_code=CODE, trade_date=day, adj_factor=factor)
    closes = {}
    for adjust in ("none", "forward", "backward"):
        bars = staff.get(f"{BARS}?start=20190603&end=20190628&adjust={adjust}").json()["bars"]
        closes[adjust] = [bars[0]["close"], bars[1]["close"], bars[-1]["close"]]
    last = 10.0 + len(open_days()) - 1
    assert closes["none"] == [10.0, 11.0, last]
    # Without its factor a day has no adjusted price, and never the raw one.
    assert closes["backward"] == [20.0, None, last * 4]
    assert closes["forward"] == [5.0, None, last]


def test_nothing_is_absent_where_every_day_has_its_bar(staff: Client, market: None) -> None:
    assert absent(staff) == []


def test_why_a_bar_is_missing(staff: Client, market: None) -> None:
    days = open_days()
    lack(days[0], missing={CODE: "two fetches agree that it has no row"})
    lack(days[1])
    SuspendD.objects.create(ts_code=CODE, trade_date=days[1], suspend_type="S")
    lack(days[2], state=CellState.PARTIAL, missing={CODE: "unexplained"}, last_error="1 is missing")
    lack(days[3])
    SyncQuarantine.objects.create(
        dataset="daily", cell=f"{days[3]:%Y%m%d}", row={}, rules="high", at=NOW, last_seen_at=NOW,
        key={"ts_code": CODE, "trade_date": f"{days[3]:%Y%m%d}"}, reason="the high is low",
    )  # fmt: skip
    lack(days[4])
    Daily.objects.filter(trade_date=days[5]).delete()
    LedgerFactory._meta.model.objects.filter(cell_date=days[5]).delete()
    # A suspension of an hour explains nothing.
    SuspendD.objects.create(
        ts_code=CODE, trade_date=days[4], suspend_type="S", suspend_timing="09:30-10:30"
    )
    assert [(kind, reason) for _day, kind, reason in absent(staff)] == [
        ("explained", "The ledger says: two fetches agree that it has no row."),
        ("suspended", "It was suspended all day."),
        ("not_good", "The day is not whole: partial: 1 is missing."),
        ("quarantined", "The source's row is in quarantine: the high is low."),
        ("unknown", "The day is complete, and the source has no such code in it."),
        ("not_good", "The day was never fetched."),
    ]


def test_before_its_listing_and_after_its_end_a_stock_has_no_bars(
    staff: Client, market: None
) -> None:
    days = open_days()
    Daily.objects.filter(trade_date__in=[days[0], days[-1]]).delete()
    StockBasic.objects.filter(pk=CODE).update(list_date=days[1], delist_date=days[-1])
    assert absent(staff) == [
        (f"{days[0]}", "not_listed", f"It was listed on {days[1]}."),
        (f"{days[-1]}", "not_listed", f"It was delisted on {days[-1]}."),
    ]


def test_a_renumbered_code_names_its_heir(staff: Client, market: None) -> None:
    day = open_days()[-1]
    lack(day)
    CodeChange.objects.create(old_code=CODE, new_code="600001.SH", from_date=day)
    assert absent(staff) == [(f"{day}", "renumbered", f"It is 600001.SH since {day}.")]


@pytest.mark.parametrize(
    ("day", "kind", "reason"),
    [
        ("20190607", "closed", "The exchanges were closed."),
        ("20190531", "not_kept", "Daily bars are kept from 2019-06-03 on."),
    ],
)
def test_a_single_day_is_answered_whatever_it_is(
    staff: Client, market: None, day: str, kind: str, reason: str
) -> None:
    ((_day, *told),) = absent(staff, f"?start={day}&end={day}")
    assert told == [kind, reason]


def test_a_day_that_is_not_out_yet_is_not_missing(
    staff: Client, market: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = dt.datetime(2019, 7, 1, 8, 0, tzinfo=dt.UTC)  # 16:00 in Shanghai, an hour too early
    monkeypatch.setattr("django.utils.timezone.now", lambda: early)
    ((_day, *told),) = absent(staff, "?start=20190701&end=20190701")
    assert told == ["not_due", "The day is not out yet."]


def test_the_number_of_queries_does_not_grow_with_the_range(
    staff: Client, market: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for day in open_days()[3:]:
        lack(day)
    for query in ("?start=20190606&end=20190606", "?start=20190603&end=20190628"):
        with django_assert_max_num_queries(13):
            assert absent(staff, query)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/stocks/999999.SH/bars", 404, "neither a stock nor a bar of '999999.SH'"),
        ("/api/stocks/a%00b/bars", 404, "neither a stock nor a bar"),
        (f"{BARS}?start=20190628&end=20190603", 400, "lies after the end"),
        (f"{BARS}?start=19901219&end=20190603", 400, "at most 3660 can be asked for"),
        (f"{BARS}?start=2019", 400, "The start: '2019' is not a date as YYYYMMDD."),
        (f"{BARS}?adjust=qfq", 400, "The values are: none, forward, backward."),
        (f"{BARS}?end=00010101", 200, ""),
    ],
)
def test_what_cannot_be_answered(
    staff: Client, market: None, path: str, status: int, said: str
) -> None:
    answer = staff.get(path)
    assert answer.status_code == status
    assert said in answer.json().get("detail", "")
