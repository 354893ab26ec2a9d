"""Bars on days that the calendar has closed: real before 1996, and impossible since."""

from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.datasets import DAILY
from datasync_app.dates import SHANGHAI
from datasync_app.engine.coverage import cover
from datasync_app.engine.guard import OwnGuard
from datasync_app.engine.run import Engine
from datasync_app.models import CellState, Daily, SyncLedger
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from tests.datasync_app.clock import Clock
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI)
FRIDAY, MONDAY = dt.date(1992, 10, 2), dt.date(1992, 10, 5)
SATURDAY, SUNDAY = "19921003", "19921004"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def engine(sandbox: Sandbox, clock: Clock) -> Engine:
    return Engine(TushareClient("a-token", sandbox.url), guard=OwnGuard(), now=clock)


def cell(key: str) -> SyncLedger:
    return SyncLedger.objects.get(dataset="daily", cell=key)


def test_an_early_sunday_with_a_bar_is_kept_and_says_so_and_one_without_is_empty(
    engine: Engine, market: TinyMarket
) -> None:
    market.rows_of = {SATURDAY: [], SUNDAY: [market.bar("600000.SH", SUNDAY)]}
    engine.prepare(FRIDAY, MONDAY)
    report = engine.sync_dates(DAILY, FRIDAY, MONDAY)
    assert report.is_good
    sunday = cell(SUNDAY)
    assert (sunday.state, sunday.received_rows, sunday.missing) == (CellState.COMPLETE, 1, {})
    assert "the calendar has this day as closed" in sunday.last_error
    assert Daily.objects.filter(trade_date=dt.date(1992, 10, 4)).count() == 1
    assert cell(SATURDAY).state == CellState.EMPTY_CONFIRMED
    assert cover(DAILY, FRIDAY, MONDAY, now=NOW).good == 4


def test_a_closed_day_is_no_measure_for_the_open_one_after_it(
    engine: Engine, market: TinyMarket
) -> None:
    """Twenty codes that go missing after it are missing, though Sunday did not have them either."""
    market.rows_of = {SATURDAY: [], SUNDAY: [market.bar("600000.SH", SUNDAY)]}
    market.lost["19921005"] = set(market.codes[10:])
    market.list_date = "19900101"
    engine.prepare(FRIDAY, MONDAY)
    engine.sync_dates(DAILY, FRIDAY, MONDAY)
    assert cell("19921005").state == CellState.PARTIAL
    assert cell("19921002").state == CellState.COMPLETE


def test_no_closed_day_is_asked_for_from_1996_on(engine: Engine, sandbox: Sandbox) -> None:
    start, end = dt.date(1995, 12, 29), dt.date(1996, 1, 8)
    engine.prepare(start, end)
    engine.sync_dates(DAILY, start, end)
    asked = {params["trade_date"] for name, params in sandbox.requests if name == "daily"}
    assert {"19951230", "19951231"} <= asked
    assert not {"19960106", "19960107"} & asked


WEEK = (dt.date(2020, 1, 6), dt.date(2020, 1, 10))
A_DAY_LATER = NOW + dt.timedelta(hours=25)


def sync_week(engine: Engine) -> None:
    engine.prepare(*WEEK)
    engine.sync_dates(DAILY, *WEEK)


def test_a_day_that_is_closed_after_all_has_no_cell_any_more(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    market.rows_of["20200108"] = []
    sync_week(engine)
    assert cell("20200108").state == CellState.DUE
    market.flipped.add("20200108")
    clock.now = A_DAY_LATER
    sync_week(engine)
    held = SyncLedger.objects.filter(dataset="daily").values_list("cell", flat=True)
    assert sorted(held) == ["20200106", "20200107", "20200109", "20200110"]
    assert cover(DAILY, *WEEK, now=clock.now).is_good


def test_rows_of_a_day_that_is_closed_after_all_are_kept_with_their_cell(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    sync_week(engine)
    market.flipped.add("20200108")
    clock.now = A_DAY_LATER
    sync_week(engine)
    assert cell("20200108").received_rows == 30
    assert Daily.objects.filter(trade_date=dt.date(2020, 1, 8)).count() == 30
    assert cover(DAILY, *WEEK, now=clock.now).good == 4


def test_a_day_that_is_open_after_all_is_asked_for(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    market.flipped.add("20200108")
    sync_week(engine)
    assert cover(DAILY, *WEEK, now=clock.now).good == 4
    market.flipped.clear()
    clock.now = A_DAY_LATER
    engine.prepare(*WEEK)
    assert cover(DAILY, *WEEK, now=clock.now).late == {"20200108"}
    engine.sync_dates(DAILY, *WEEK)
    assert cover(DAILY, *WEEK, now=clock.now).good == 5
