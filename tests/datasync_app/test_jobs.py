"""The six jobs, run as the scheduler runs them: inside a tracker, against a source on loopback."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from datasync_app.datasets import DAILY
from datasync_app.dates import market_day, show_date
from datasync_app.engine import horizon
from datasync_app.engine.plan import FIRST_DAYS
from datasync_app.errors import SyncIncomplete, TaskAlreadyRunning
from datasync_app.models import (
    CellState,
    Daily,
    SourceIdentity,
    StockBasic,
    SyncLedger,
    SyncTask,
    TaskStatus,
)
from datasync_app.sandbox.server import Sandbox
from scheduler_app.errors import InvalidKwargs
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.registry import registry
from tests.datasync_app.factories import SyncTaskFactory
from tests.datasync_app.runs import run
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

JOBS = [
    "sync_concept_data",
    "sync_daily_by_date",
    "sync_daily_history",
    "sync_history_finance",
    "sync_incremental_finance",
    "sync_stock_basic",
]


def good_days() -> list[dt.date]:
    good = SyncLedger.objects.filter(dataset="daily", state=CellState.COMPLETE)
    return sorted(date for date in good.values_list("cell_date", flat=True) if date)


def test_the_six_jobs_are_registered() -> None:
    assert [job_id for job_id in registry.ids() if job_id.startswith("sync_")] == JOBS


def test_the_first_run_holds_the_last_twenty_trading_days(source: Sandbox) -> None:
    execution = run("sync_daily_by_date")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert len(good_days()) == FIRST_DAYS
    assert horizon.of(DAILY) == good_days()[0]
    assert execution.result is not None
    assert execution.result["daily"]["rows"] == Daily.objects.count() == 30 * FIRST_DAYS
    assert any("adj_factor is not available" in said for said in execution.result["not_available"])
    task = SyncTask.objects.get(execution_id=execution.pk)
    assert (task.status, task.total_processed > 0) == (TaskStatus.COMPLETED, True)


def test_the_daily_job_fills_a_hole_in_the_middle(source: Sandbox) -> None:
    run("sync_daily_by_date")
    hole = good_days()[7]
    SyncLedger.objects.filter(dataset="daily", cell_date=hole).delete()
    Daily.objects.filter(trade_date=hole).delete()
    before = len(source.requests)
    assert run("sync_daily_by_date").status == Status.SUCCESS
    assert Daily.objects.filter(trade_date=hole).count() == 30
    assert [params for name, params in source.requests[before:] if name == "daily"] == [
        {"trade_date": show_date(hole)}
    ]


def test_dates_among_the_arguments_do_not_move_the_horizon(source: Sandbox) -> None:
    run("sync_daily_by_date")
    kept = horizon.of(DAILY)
    execution = run("sync_daily_by_date", start="20200106", end="20200110")
    assert execution.status == Status.SUCCESS
    assert Daily.objects.filter(trade_date=dt.date(2020, 1, 6)).exists()
    assert horizon.of(DAILY) == kept


def test_a_run_that_leaves_cells_open_fails_names_them_and_keeps_its_summary(
    source: Sandbox, market: TinyMarket
) -> None:
    market.rows_of["20200108"] = []
    execution = run("sync_daily_by_date", start="20200106", end="20200110")
    assert execution.status == Status.FAILED
    assert "daily: 4 of 5 cells good" in execution.error_message
    assert "20200108" in execution.error_message
    assert execution.result is not None and execution.result["daily"]["cells_open"] == 1
    assert SyncTask.objects.get().status == TaskStatus.FAILED
    assert len(good_days()) == 4


def test_history_goes_back_in_batches_and_moves_the_horizon(
    source: Sandbox, settings: Settings
) -> None:
    settings.SYNC_DAILY_HISTORY_BATCH_SIZE = 7
    start = market_day(timezone.now()) - dt.timedelta(days=60)
    execution = run("sync_daily_history", start=show_date(start))
    assert execution.status == Status.SUCCESS, execution.error_message
    assert horizon.of(DAILY) == start
    assert good_days()[0] - start < dt.timedelta(days=4)
    assert len(good_days()) > 35
    dates = [params["trade_date"] for name, params in source.requests if name == "daily"]
    assert len(dates) == len(set(dates))
    assert min(dates[:7]) > max(dates[14:21])


def test_the_stock_list_job_holds_every_status(source: Sandbox) -> None:
    assert run("sync_stock_basic").status == Status.SUCCESS
    assert StockBasic.objects.count() == 30
    states = SyncLedger.objects.filter(dataset="stock_basic").values_list("cell", "state")
    assert dict(states) == {
        "L": CellState.COMPLETE,
        "D": CellState.EMPTY_CONFIRMED,
        "P": CellState.EMPTY_CONFIRMED,
        "G": CellState.EMPTY_CONFIRMED,
    }


def test_a_live_task_of_the_same_type_refuses_the_run(source: Sandbox) -> None:
    live = SyncTaskFactory.create(job_type="sync_stock_basic", updated_at=timezone.now())
    execution = run("sync_stock_basic")
    assert f"Task {live.pk} of sync_stock_basic is running" in execution.error_message
    assert TaskAlreadyRunning.__name__ in execution.traceback
    assert not source.requests


def test_the_first_start_is_wanted_until_the_first_days_are_held(source: Sandbox) -> None:
    wanted = registry.get("sync_daily_by_date").first_start
    list_wanted = registry.get("sync_stock_basic").first_start
    assert wanted is not None and list_wanted is not None
    assert wanted() and list_wanted()
    run("sync_daily_by_date")
    assert not wanted() and not list_wanted()


def test_without_a_source_the_run_says_what_to_set(settings: Settings) -> None:
    settings.TUSHARE_TOKEN = settings.TUSHARE_BASE_URL = ""
    execution = run("sync_stock_basic")
    assert "set TUSHARE_TOKEN, or start `manage.py sandbox`" in execution.error_message


def test_a_sandbox_on_the_data_of_tushare_is_refused_before_any_call(source: Sandbox) -> None:
    SourceIdentity.objects.create(identity="tushare")
    execution = run("sync_daily_by_date")
    assert "holds data of Tushare, and the answers now come from the sandbox" in (
        execution.error_message
    )
    assert not source.requests
    assert not SyncLedger.objects.exists() and not SyncTask.objects.exists()


def test_a_token_on_generated_data_is_refused_before_any_call(
    source: Sandbox, settings: Settings
) -> None:
    run("sync_stock_basic")
    before = len(source.requests)
    settings.TUSHARE_TOKEN = "x" * 56
    settings.TUSHARE_BASE_URL = "https://tushare.invalid/dataapi"
    execution = run("sync_daily_by_date")
    assert "holds the generated data of sandbox:tiny" in execution.error_message
    assert "go_live" in execution.error_message
    assert len(source.requests) == before
    assert SyncIncomplete.__name__ not in execution.traceback


TOMORROW = dt.timedelta(days=1)


@pytest.mark.parametrize("job_id", ["sync_daily_by_date", "sync_daily_history"])
def test_a_start_in_the_future_is_refused(job_id: str) -> None:
    tomorrow = show_date(market_day(timezone.now()) + TOMORROW)
    with pytest.raises(InvalidKwargs, match=f"The start {tomorrow} lies in the future"):
        registry.validate_kwargs(job_id, {"start": tomorrow})


def test_a_start_of_today_is_taken() -> None:
    today = market_day(timezone.now())
    values = registry.validate_kwargs("sync_daily_by_date", {"start": show_date(today)})
    assert values == {"start": today}


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        (
            {"start": "20200110", "end": "20200106"},
            "The start 20200110 lies after the end 20200106.",
        ),
        (
            {"end": "19901218"},
            "The end 19901218 lies before the market began: it takes a date from 19901219 on.",
        ),
    ],
)
def test_a_range_without_a_day_is_refused(kwargs: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidKwargs) as refused:
        registry.validate_kwargs("sync_daily_by_date", kwargs)
    assert str(refused.value) == sentence


def test_staff_read_what_a_job_takes_in_words() -> None:
    assert registry.get("sync_daily_by_date").takes == (
        "start: a date as YYYYMMDD, optional; end: a date as YYYYMMDD, optional"
    )


def test_form_api_and_command_refuse_such_a_range_alike() -> None:
    kwargs = {"start": show_date(market_day(timezone.now()) + TOMORROW)}
    with pytest.raises(InvalidKwargs) as refused:
        registry.validate_kwargs("sync_daily_by_date", kwargs)
    sentence = str(refused.value)

    staff = Client()
    staff.force_login(User.objects.create_superuser("boss"))
    address = "/api/scheduler/jobs/sync_daily_by_date"
    for action, more in (("trigger", {}), ("schedule", {"cron_expression": "0 18 * * *"})):
        body = {"job_kwargs": kwargs, **more}
        answer = staff.post(f"{address}/{action}", body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["errors"] == {"job_kwargs": [sentence]}
    config = JobConfig.objects.get(job_id="sync_daily_by_date")
    form = {
        "job_name": config.job_name,
        "trigger": "cron",
        "cron_expression": config.cron_expression,
        "timezone": config.timezone,
        "argument_start": kwargs["start"],
    }
    page = staff.post(f"/admin/scheduler_app/jobconfig/{config.pk}/change/", form)
    assert sentence in page.content.decode()
    with pytest.raises(CommandError) as stopped:
        call_command("sync", "sync_daily_by_date", start=kwargs["start"])
    assert str(stopped.value) == sentence
    assert not ExecutionLog.objects.exists()
