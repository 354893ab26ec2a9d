"""Disclosure dates, asked for day by day and kept in every version."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from datasync_app.datasets.finance import DISCLOSURE_DATE
from datasync_app.datasets.periods import open_periods, report_periods, window_closes
from datasync_app.engine.finance.disclosures import first_day, plan_disclosures
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import Engine
from datasync_app.models import CellState, DisclosureDate, SyncLedger
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock, TinyReports

A, B, C = "600000.SH", "600001.SH", "600002.SH"
TUESDAY, LAST_DAY = dt.date(2024, 4, 23), dt.date(2024, 4, 30)

pytestmark = pytest.mark.django_db


def sync(engine: Engine, clock: Clock, first: dt.date = TUESDAY) -> DatasetReport:
    return engine.run(plan_disclosures(first, LAST_DAY, now=clock()))


def asked(sandbox: Sandbox) -> list[str]:
    calls = [params for name, params in sandbox.requests if name == "disclosure_date"]
    return sorted(" ".join(f"{name}={value}" for name, value in call.items()) for call in calls)


def test_report_periods_are_quarters_newest_first() -> None:
    assert report_periods(dt.date(2023, 9, 30), dt.date(2024, 4, 1)) == [
        dt.date(2024, 3, 31),
        dt.date(2023, 12, 31),
        dt.date(2023, 9, 30),
    ]


@pytest.mark.parametrize(
    ("period", "closes"),
    [("0331", "20240430"), ("0630", "20240831"), ("0930", "20241031"), ("1231", "20250430")],
)
def test_each_period_has_its_statutory_window(period: str, closes: str) -> None:
    end = dt.datetime.strptime(f"2024{period}", "%Y%m%d").date()
    assert f"{window_closes(end):%Y%m%d}" == closes


def test_in_april_two_windows_are_open_and_in_june_none() -> None:
    assert open_periods(dt.date(2024, 4, 30)) == [dt.date(2024, 3, 31), dt.date(2023, 12, 31)]
    assert open_periods(dt.date(2024, 3, 31)) == [dt.date(2023, 12, 31)]
    assert open_periods(dt.date(2024, 6, 30)) == []


def test_past_days_are_asked_as_they_went_and_coming_ones_as_planned(
    engine: Engine, sandbox: Sandbox, clock: Clock
) -> None:
    assert sync(engine, clock).is_good
    assert asked(sandbox) == [
        *(f"actual_date=202404{day}" for day in (23, 24, 25)),
        *(f"pre_date=202404{day}" for day in (26, 27, 28, 29, 30)),
    ]
    states = SyncLedger.objects.values_list("state", flat=True)
    assert set(states) == {CellState.EMPTY_CONFIRMED}


def test_a_moved_plan_and_the_disclosure_itself_are_versions(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.plan(A, "20240331", "20240427")
    sync(engine, clock)
    market.disclosures.clear()
    market.plan(A, "20240331", "20240429")
    clock.set("20240427 00:10")
    sync(engine, clock)
    market.disclose(A, "20240331", "20240428", pre="20240429")
    clock.set("20240429 00:10")
    sync(engine, clock)
    kept = DisclosureDate.objects.order_by("first_seen_at").values_list("pre_date", "actual_date")
    assert [(f"{pre:%d}", actual and f"{actual:%d}") for pre, actual in kept] == [
        ("27", None),
        ("29", None),
        ("29", "28"),
    ]
    moved = DisclosureDate.objects.get(pre_date=dt.date(2024, 4, 29), actual_date=None)
    assert (
        moved.first_seen_at == moved.last_seen_at == dt.datetime(2024, 4, 26, 16, 10, tzinfo=dt.UTC)
    )


def test_what_is_seen_again_is_dated_and_not_doubled(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.disclose(A, "20240331", "20240425")
    sync(engine, clock)
    first = clock()
    clock.set("20240426 18:00")
    sync(engine, clock)
    row = DisclosureDate.objects.get()
    assert (row.first_seen_at, row.last_seen_at) == (first, clock())


def test_the_last_days_are_looked_at_again_and_older_ones_are_not(
    engine: Engine, sandbox: Sandbox, clock: Clock
) -> None:
    sync(engine, clock, dt.date(2024, 4, 18))
    before = len(sandbox.requests)
    clock.set("20240426 10:00")
    assert sync(engine, clock, dt.date(2024, 4, 18)).calls == 0
    clock.set("20240426 12:20")
    sync(engine, clock, dt.date(2024, 4, 18))
    again = [params["actual_date"] for _, params in sandbox.requests[before:]]
    assert sorted(again) == [f"202404{day}" for day in (21, 22, 23, 24, 25)]


def test_a_day_that_is_cut_is_asked_for_by_period(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock
) -> None:
    for code in (A, B):
        market.disclose(code, "20240331", "20240425")
        market.disclose(code, "20231231", "20240425")
    capped = replace(DISCLOSURE_DATE, row_cap=3)
    plan = plan_disclosures(dt.date(2024, 4, 25), dt.date(2024, 4, 25), now=clock())
    report = engine.run(replace(plan, dataset=capped))
    assert report.is_good
    assert DisclosureDate.objects.count() == 4
    parts = asked(sandbox)
    assert len(parts) == 13 and "actual_date=20240425 end_date=20231231" in parts


def test_a_fresh_start_begins_where_the_open_windows_do() -> None:
    assert first_day(Clock("20240426 00:10")()) == dt.date(2024, 1, 1)
    assert first_day(Clock("20240915 00:10")()) == dt.date(2024, 8, 16)


def test_a_token_without_disclosures_gets_one_sentence(market: TinyReports, clock: Clock) -> None:
    with Sandbox(market, quota=0, points=120) as poor:
        report = sync(engine_of(poor, clock), clock)
        assert "disclosure_date is not available to this token" in report.denied
        assert poor.refused["disclosure_date"] == 1
