"""Tasks over HTTP: what they look like, and how they are paused, resumed and cancelled."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from datasync_app import session
from datasync_app.datasets.base import Cell
from datasync_app.dates import market_day, show_date
from datasync_app.engine.report import DatasetReport
from datasync_app.models import CellState, SyncLedger, SyncTask, TaskStatus
from datasync_app.sandbox.server import Sandbox
from scheduler_app.leadership import Leadership
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.registry import registry
from scheduler_app.runner import Runner
from scheduler_app.work import Queued
from tests.datasync_app.factories import SyncTaskFactory
from tests.factories import SchedulerProcessFactory
from tests.scheduler_app.web import TRIGGER, logged_in, post

pytestmark = pytest.mark.django_db

TASKS = "/api/sync/tasks"


@pytest.fixture
def client() -> Client:
    return logged_in(TRIGGER)


def live(**fields: Any) -> SyncTask:
    return SyncTaskFactory.create(updated_at=timezone.now(), **fields)


def test_it_lists_the_newest_first_with_progress_rate_and_eta(client: Client) -> None:
    SyncTaskFactory.create(job_type="sync_stock_basic", status=TaskStatus.COMPLETED)
    began = timezone.now() - dt.timedelta(minutes=1)
    task = live(resumed_at=began, current_offset=30, expected_cells=90, total_processed=9000)
    shown, older = client.get(TASKS).json()["results"]
    assert (shown["id"], older["job_type"]) == (task.pk, "sync_stock_basic")
    assert (shown["current_offset"], shown["expected_cells"], shown["total_processed"]) == (
        30, 90, 9000,
    )  # fmt: skip
    assert shown["cells_per_minute"] == pytest.approx(30, rel=0.01)
    left = dt.datetime.fromisoformat(shown["eta"]) - task.updated_at
    assert left.total_seconds() == pytest.approx(120, rel=0.01)
    assert client.get(f"{TASKS}/{task.pk}/").json() == shown


def test_it_filters_and_refuses_what_is_no_filter(client: Client) -> None:
    live()
    SyncTaskFactory.create(status=TaskStatus.FAILED)
    (failed,) = client.get(f"{TASKS}?status=FAILED").json()["results"]
    assert failed["status"] == "FAILED"
    assert len(client.get(f"{TASKS}?limit=1").json()["results"]) == 1
    refusal = client.get(f"{TASKS}?status=DONE&limit=0&colour=red")
    assert refusal.status_code == 400
    assert refusal.json()["errors"].keys() == {"status", "limit", "colour"}
    assert "RUNNING" in refusal.json()["errors"]["status"][0]


@pytest.mark.parametrize("id", ["0", "999999", "x", "9" * 30, "1%00"])
def test_it_says_that_there_is_no_such_task(client: Client, id: str) -> None:
    for answer in (client.get(f"{TASKS}/{id}"), post(client, f"{TASKS}/{id}/pause")):
        assert answer.status_code == 404
        assert "There is no task" in answer.json()["detail"]


def test_a_history_run_is_queued_with_its_start(client: Client) -> None:
    answer = post(client, "/api/sync/daily-history", {"start": "20150105"})
    assert answer.status_code == 202
    execution = ExecutionLog.objects.get()
    assert answer.headers["Location"].rstrip("/").endswith(f"/executions/{execution.pk}")
    assert (execution.job_id, execution.status) == ("sync_daily_history", Status.QUEUED)
    assert execution.job_kwargs == {"start": "20150105"}
    assert execution.triggered_by == f"staff-{TRIGGER}"


def test_a_history_run_refuses_a_date_that_is_none(client: Client) -> None:
    answer = post(client, "/api/sync/daily-history", {"start": "2015-01-05"})
    assert answer.status_code == 400
    assert "YYYYMMDD" in answer.json()["detail"]
    assert not ExecutionLog.objects.exists()


@pytest.mark.parametrize("status", [TaskStatus.RUNNING, TaskStatus.PENDING])
def test_a_live_task_refuses_a_history_run_and_is_returned(
    client: Client, status: TaskStatus
) -> None:
    execution = ExecutionLog.objects.create(job_id="sync_daily_history", status=Status.QUEUED)
    task = live(job_type="sync_daily_history", status=status, execution_id=execution.pk)
    answer = post(client, "/api/sync/daily-history", {})
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["task"]["id"] == task.pk
    assert str(status.label) in answer.json()["detail"]
    assert ExecutionLog.objects.count() == 1


def test_a_task_whose_execution_was_closed_is_not_in_the_way(client: Client) -> None:
    closed = ExecutionLog.objects.create(job_id="sync_daily_history", status=Status.FAILED)
    live(job_type="sync_daily_history", execution_id=closed.pk)
    assert post(client, "/api/sync/daily-history", {}).status_code == 202


def test_a_task_of_a_command_is_not_resumed_here(client: Client) -> None:
    task = live(job_type="sync daily", status=TaskStatus.PAUSED)
    answer = post(client, f"{TASKS}/{task.pk}/resume")
    assert answer.status_code == 409
    assert "manage.py sync daily" in answer.json()["detail"]


def test_what_is_over_cannot_be_paused(client: Client) -> None:
    task = live(status=TaskStatus.COMPLETED)
    answer = post(client, f"{TASKS}/{task.pk}/pause")
    assert answer.status_code == 409
    assert f"Task {task.pk} is COMPLETED" in answer.json()["detail"]


def run_what_is_queued() -> ExecutionLog:
    """The one queued execution, run as the scheduler runs it."""
    queued = ExecutionLog.objects.get(status=Status.QUEUED)
    leadership = Leadership(SchedulerProcessFactory.create().pk)
    leadership.keep()
    runner = Runner(registry, leadership)
    (execution,) = runner.claim(Queued(queued.job_id, queued.pk))
    runner.execute(execution)
    leadership.resign()
    return ExecutionLog.objects.get(pk=execution.pk)


def good_dates() -> set[str]:
    good = SyncLedger.objects.filter(dataset="daily", state=CellState.COMPLETE)
    return set(good.values_list("cell", flat=True))


def good_days() -> int:
    return len(good_dates())


def paused_history(client: Client, wish: str) -> tuple[ExecutionLog, SyncTask]:
    """A run of the daily history that somebody stopped after three days."""

    def stop_after_three(report: DatasetReport, cell: Cell, task: SyncTask) -> None:
        if report.dataset == "daily" and good_days() == 3:
            assert post(client, f"{TASKS}/{task.pk}/{wish}").status_code == 200

    start = show_date(market_day(timezone.now()) - dt.timedelta(days=80))
    assert post(client, "/api/sync/daily-history", {"start": start}).status_code == 202
    token = session.watcher.set(stop_after_three)
    try:
        return run_what_is_queued(), SyncTask.objects.get()
    finally:
        session.watcher.reset(token)


def test_a_history_run_is_paused_between_cells_and_goes_on_where_it_was(
    client: Client, source: Sandbox
) -> None:
    execution, task = paused_history(client, "pause")
    assert execution.status == Status.CANCELLED
    assert f"paused by staff-{TRIGGER}" in execution.error_message
    assert (task.status, task.wanted, task.resume_at) == (TaskStatus.PAUSED, "", None)
    held = good_dates()
    assert task.expected_cells is not None
    assert 3 <= len(held) < 40 <= task.expected_cells
    calls = len(source.requests)
    answer = post(client, f"{TASKS}/{task.pk}/resume")
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    resumed = run_what_is_queued()
    assert resumed.status == Status.SUCCESS, resumed.error_message
    assert SyncTask.objects.get().status == TaskStatus.COMPLETED
    later = [params["trade_date"] for name, params in source.requests[calls:] if name == "daily"]
    assert good_days() > 40
    # A call that was under way when the pause came may arrive now; its cell was not finished.
    assert not held & set(later), "a finished cell was asked for again"


def test_a_cancelled_history_run_ends_between_cells(client: Client, source: Sandbox) -> None:
    execution, task = paused_history(client, "cancel")
    assert execution.status == Status.CANCELLED
    assert (task.status, task.failure_reason) == (
        TaskStatus.FAILED,
        f"cancelled by staff-{TRIGGER}",
    )
    assert 3 <= good_days() < 40
    assert post(client, f"{TASKS}/{task.pk}/resume").status_code == 409
