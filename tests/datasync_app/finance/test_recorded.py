"""The recorded answers, replayed, and reports of which it is known how the source has them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from datasync_app.dates import show_date
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.run import Engine
from datasync_app.models import FINA_NUMBERS, FinaIndicator
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.factories import StockBasicFactory
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock, TinyReports
from tests.sample import needs_sample, recorded, recorded_market

pytestmark = pytest.mark.django_db

COMPANIES = ("002594.SZ", "600036.SH", "600519.SH")
Version = tuple[str, str, str, tuple[float | None, ...]]


def query(sql: str, *values: str | dt.date) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def versions_recorded() -> list[Version]:
    """39 rows of three companies, of which two are the same."""
    return [
        (
            row["ts_code"],
            row["end_date"],
            row["ann_date"],
            tuple(float(text) if (text := row.get(name, "")) else None for name in FINA_NUMBERS),
        )
        for row in recorded("fina_indicator.csv.gz")
    ]


def versions_held() -> list[Version]:
    columns = ("ts_code", "end_date", "ann_date", *FINA_NUMBERS)
    return [
        (code, show_date(end), show_date(ann), tuple(numbers))
        for code, end, ann, *numbers in FinaIndicator.objects.values_list(*columns)
    ]


@pytest.fixture
def replayed(clock: Clock) -> Clock:
    """The recorded reports are held since 1 November 2025."""
    clock.set("20251101 00:10")
    for code in COMPANIES:
        StockBasicFactory.create(ts_code=code)
    with Sandbox(recorded_market(), quota=0) as server:
        scope = Scope(dt.date(2023, 3, 31), dt.date(2025, 9, 30), codes=COMPANIES)
        FinanceRun(engine_of(server, clock)).only(scope)
    return clock


@needs_sample
def test_every_recorded_version_is_kept_value_for_value(replayed: Clock) -> None:
    sent = versions_recorded()
    assert len(sent) == 39
    assert len(versions_held()) == 38
    assert set(versions_held()) == set(sent)


@needs_sample
def test_eight_recorded_reports_have_two_versions_of_one_announcement(replayed: Clock) -> None:
    twice = query(
        "SELECT ts_code, end_date FROM fina_indicator"
        " GROUP BY ts_code, end_date, ann_date HAVING count(*) = 2"
    )
    assert len(twice) == 8
    latest = query("SELECT ts_code, end_date, eps FROM fina_indicator_latest")
    assert len(latest) == 30
    assert len({row[:2] for row in latest}) == 30


@needs_sample
def test_recorded_reports_are_assumed_from_their_announcement_and_known_once_held(
    replayed: Clock,
) -> None:
    """The half-year report of 600519.SH, announced on 13 August 2025."""
    asked = "SELECT eps, basis FROM fina_indicator_asof(%s) WHERE ts_code = %s AND end_date = %s"
    report = ("600519.SH", dt.date(2025, 6, 30))
    assert query(asked, dt.date(2025, 8, 12), *report) == []
    assert query(asked, dt.date(2025, 8, 13), *report) == [(36.18, "assumed")]
    assert query(asked, dt.date(2025, 11, 1), *report) == [(36.18, "known")]


def test_a_row_announced_before_its_period_ended_is_neither_latest_nor_known(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    """603400.SH 20260630 came with 20260422 and 20260803."""
    market.listed = {"603400.SH": ("20240104", None)}
    market.report("603400.SH", "20260630", "20260422", 0.3)
    market.report("603400.SH", "20260630", "20260803", 0.7)
    clock.set("20260902 00:10")
    scope = Scope(dt.date(2026, 6, 30), dt.date(2026, 6, 30), codes=("603400.SH",))
    assert FinanceRun(engine).only(scope).is_good
    assert query("SELECT eps FROM fina_indicator_latest") == [(0.7,)]
    assert query("SELECT eps FROM fina_indicator_asof('20260701')") == []
    assert query("SELECT eps, basis FROM fina_indicator_asof('20260803')") == [(0.7, "assumed")]


def test_a_company_whose_reports_have_flag_0_only_is_whole(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    """000002.SZ from 2002 to 2006."""
    market.listed = {"000002.SZ": ("19910129", None)}
    years = range(2002, 2007)
    for year in years:
        market.report("000002.SZ", f"{year}1231", f"{year + 1}0320", float(year), flag="0")
    scope = Scope(dt.date(2002, 12, 31), dt.date(2006, 12, 31))
    FinanceRun(engine).only(scope)
    latest = query("SELECT eps, update_flag FROM fina_indicator_latest ORDER BY end_date")
    assert latest == [(float(year), 0) for year in years]
