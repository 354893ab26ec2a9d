"""The finance jobs as the scheduler runs them, and the commands as a person types them."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from datasync_app.datasets.periods import report_periods, window_closes
from datasync_app.dates import market_day, show_date
from datasync_app.models import DatasetState, FinaIndicator, SyncFailureRecord, SyncLedger
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import Cause, ExecutionLog, Status
from scheduler_app.registry import registry
from tests.datasync_app.finance.tiny_reports import TinyReports
from tests.datasync_app.runs import run

A, B, C = "600000.SH", "600001.SH", "600002.SH"
TODAY = market_day(timezone.now())
# The last two periods whose windows have closed.
LAST, BEFORE = [
    period
    for period in report_periods(TODAY - dt.timedelta(days=500), TODAY)
    if window_closes(period) < TODAY
][:2]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lately(db: None, settings: Settings) -> None:
    settings.SYNC_FINANCE_HISTORY_START_DATE = BEFORE
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 10_000
    DatasetState.objects.create(dataset="disclosure_date", horizon=TODAY - dt.timedelta(days=2))


@pytest.fixture(autouse=True)
def reported(market: TinyReports) -> None:
    for code in market.codes:
        for period in (LAST, BEFORE):
            market.report(code, show_date(period), show_date(window_closes(period)))


def said(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_the_incremental_job_fills_what_is_due(source: Sandbox) -> None:
    execution = run("sync_incremental_finance")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert execution.result is not None
    assert execution.result["fina_indicator"]["cells_good"] == 6
    assert FinaIndicator.objects.count() == 6
    assert not registry.get("sync_incremental_finance").not_built


def test_a_run_that_awaits_reports_asks_for_a_follow_up_and_is_not_red(
    source: Sandbox, market: TinyReports
) -> None:
    market.reports = [row for row in market.reports if row[:3:2] != [A, show_date(BEFORE)]]
    execution = run("sync_incremental_finance")
    assert execution.status == Status.SUCCESS
    assert execution.result is not None
    assert execution.result["fina_indicator"]["cells_awaited"] == 1
    follow_up = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP)
    assert follow_up.scheduled_for >= timezone.now() + dt.timedelta(minutes=29)


def test_a_failed_report_makes_the_job_red_and_names_it(
    source: Sandbox, market: TinyReports
) -> None:
    market.reports[0][3] = "much"
    execution = run("sync_incremental_finance")
    assert execution.status == Status.FAILED
    assert f"{A}:{show_date(LAST)}" in execution.error_message
    assert SyncFailureRecord.objects.get().code == A
    assert ExecutionLog.objects.filter(caused_by=Cause.FOLLOW_UP).exists()


def test_the_history_job_goes_back_to_its_start(source: Sandbox, settings: Settings) -> None:
    settings.SYNC_FINANCE_HISTORY_START_DATE = dt.date(2020, 1, 1)
    execution = run("sync_history_finance", start=show_date(TODAY - dt.timedelta(days=3)))
    assert execution.status == Status.SUCCESS, execution.error_message
    assert DatasetState.objects.get().horizon == TODAY - dt.timedelta(days=3)
    assert not FinaIndicator.objects.exists()  # no period ended since


def test_sync_of_named_companies_asks_for_them_alone(source: Sandbox) -> None:
    text = said("sync", "fina_indicator", "--codes", f"{A},{B}")
    assert "cells good" in text.splitlines()[-1]
    assert set(FinaIndicator.objects.values_list("ts_code", flat=True)) == {A, B}


def test_sync_ends_badly_while_a_report_is_awaited(source: Sandbox, market: TinyReports) -> None:
    market.reports.clear()
    with pytest.raises(CommandError, match="cells of fina_indicator are not good"):
        said("sync", "fina_indicator", "--codes", A)


@pytest.mark.parametrize("codes", ["600000", "600000.SH,abc"])
def test_a_code_that_is_none_is_refused(codes: str) -> None:
    with pytest.raises(CommandError, match="is not a code such as 600000.SH"):
        call_command("sync", "fina_indicator", codes=codes)


def test_sync_of_disclosures_asks_for_the_days_of_its_range(
    source: Sandbox, market: TinyReports
) -> None:
    market.disclose(A, show_date(LAST), "20240425")
    text = said("sync", "disclosure_date", "--start", "20240424", "--end", "20240426")
    assert "disclosure_date: 3 of 3 cells good, 1 rows in 3 calls" in text
    assert DatasetState.objects.get().horizon == TODAY - dt.timedelta(days=2)


def test_a_dry_run_counts_the_cheapest_calls_and_makes_none(source: Sandbox) -> None:
    said("sync", "stock_basic")
    before = len(source.requests)
    text = said("sync", "fina_indicator", "--dry-run")
    assert "fina_indicator: 6 cells to fetch, 0 good; 2 calls, about 0.0 minutes" in text
    assert len(source.requests) == before


def test_coverage_counts_reports_by_period(source: Sandbox, market: TinyReports) -> None:
    with pytest.raises(SystemExit):
        said("coverage", "fina_indicator")
    market.reports = [row for row in market.reports if row[:3:2] != [A, show_date(LAST)]]
    run("sync_incremental_finance")
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("coverage", "fina_indicator", "--end", show_date(LAST), stdout=out)
    text = out.getvalue()
    assert "fina_indicator: 5 of 6 reports good in 2 periods" in text
    assert "3 reports expected, 0 of them disclosed; 2 held" in text
    SyncLedger.objects.filter(state="due").update(state="empty_confirmed")
    shown = json.loads(said("coverage", "fina_indicator", "--end", show_date(LAST), "--json"))
    assert list(shown[0]["periods"]) == [show_date(LAST), show_date(BEFORE)]


def test_coverage_of_disclosures_goes_by_day(source: Sandbox) -> None:
    with pytest.raises(SystemExit):
        said("coverage", "disclosure_date")
    said("sync", "disclosure_date")
    assert "cells good" in said("coverage", "disclosure_date")


def test_a_run_whose_quota_is_spent_parks_and_keeps_what_it_has(
    market: TinyReports, settings: Settings
) -> None:
    quotas = {"fina_indicator": Quota(1, "小时")}
    with Sandbox(market, quota=0, points=2000, quotas=quotas) as server:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", server.url
        execution = run("sync_incremental_finance")
    assert execution.status == Status.CANCELLED, execution.error_message
    assert "the quota of fina_indicator is spent" in execution.error_message
    assert FinaIndicator.objects.values("ts_code").distinct().count() == 1
    assert not SyncFailureRecord.objects.exists()
    follow_up = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP)
    assert follow_up.scheduled_for > timezone.now() + dt.timedelta(minutes=30)
