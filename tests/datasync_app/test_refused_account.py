"""A bad token and too many addresses are trouble of the account: nothing is done without the data."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from pytest_django import Settings

from datasync_app.datasets import DAILY
from datasync_app.engine import horizon
from datasync_app.engine.denial import NOT_ACCEPTED, NOT_AVAILABLE
from datasync_app.models import CellState, Daily, SyncLedger
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import Cause, ExecutionLog, Status
from tests.datasync_app.runs import run

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
JOBS = ["sync_stock_basic", "sync_daily_by_date", "sync_daily_history"]


def follow_up_in() -> dt.timedelta:
    return ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP).scheduled_for - timezone.now()


@pytest.mark.parametrize("job_id", JOBS)
def test_a_bad_token_fails_the_job_with_one_sentence_and_what_to_do(
    source: Sandbox, job_id: str
) -> None:
    source.faults.set_rates({"token": 1})
    execution = run(job_id)
    assert execution.status == Status.FAILED
    assert execution.error_message.startswith(NOT_ACCEPTED)
    assert "您的token不对" in execution.error_message
    assert execution.error_message.count(NOT_ACCEPTED) == 1
    assert follow_up_in() <= HOUR


def test_a_token_that_was_refused_lately_fails_the_next_run_alike(source: Sandbox) -> None:
    source.faults.set_rates({"token": 1})
    run("sync_daily_by_date")
    asked = len(source.requests)
    again = run("sync_daily_by_date")
    assert (again.status, len(source.requests)) == (Status.FAILED, asked)
    assert again.error_message.startswith(NOT_ACCEPTED)


@pytest.mark.parametrize("job_id", JOBS)
def test_too_many_addresses_park_the_run_until_they_are_released(
    source: Sandbox, job_id: str
) -> None:
    source.faults.set_rates({"ip": 1})
    execution = run(job_id)
    assert execution.status == Status.CANCELLED, execution.error_message
    assert "您的IP数量超限" in execution.error_message
    assert "The run goes on at" in execution.error_message
    assert HOUR - dt.timedelta(minutes=1) < follow_up_in() <= HOUR


def test_a_run_after_too_many_addresses_waits_for_the_same_moment(source: Sandbox) -> None:
    source.faults.set_rates({"ip": 1})
    run("sync_stock_basic")
    first = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP).scheduled_for
    ExecutionLog.objects.filter(caused_by=Cause.FOLLOW_UP).delete()
    asked = len(source.requests)
    again = run("sync_stock_basic")
    assert (again.status, len(source.requests)) == (Status.CANCELLED, asked)
    second = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP).scheduled_for
    assert abs(second - first) < dt.timedelta(seconds=5)


@pytest.mark.parametrize("fault", ["token", "ip"])
def test_no_library_stands_in_for_a_calendar_that_the_account_may_have(
    source: Sandbox, fault: str
) -> None:
    source.faults.set_rates({fault: 1})
    run("sync_daily_by_date")
    assert horizon.of(DAILY) is None
    assert not Daily.objects.exists()
    assert not any(name == "daily" for name, _params in source.requests)
    refused = SyncLedger.objects.filter(dataset="trade_cal")
    assert {entry.state for entry in refused} == {CellState.DUE}
    assert not refused.filter(last_error__startswith=NOT_AVAILABLE).exists()


def test_another_token_is_asked_with_at_once(source: Sandbox, settings: Settings) -> None:
    source.faults.set_rates({"token": 1})
    run("sync_stock_basic")
    source.faults.set_rates({})
    settings.TUSHARE_TOKEN = "another"
    assert run("sync_stock_basic").status == Status.SUCCESS
