"""One RUNNING task per job type, and what becomes of one that has stopped."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from pytest_django.fixtures import Settings

from datasync_app.engine import tasks
from datasync_app.errors import TaskAlreadyRunning, TaskLost
from datasync_app.models import SyncTask, TaskStatus
from scheduler_app.recovery import run_cut_off
from tests.datasync_app.factories import NOW, SyncTaskFactory

pytestmark = pytest.mark.django_db

JOB = "sync_daily_by_date"


def minutes(count: float) -> dt.timedelta:
    return dt.timedelta(minutes=count)


def test_a_stale_task_is_failed_with_the_reason_and_replaced() -> None:
    stale = SyncTaskFactory.create(updated_at=NOW - minutes(10.1))
    task = tasks.start_task(JOB, now=NOW)
    stale.refresh_from_db()
    assert stale.status == TaskStatus.FAILED
    assert stale.failure_reason.startswith("no progress since 2020-01-11 01:49:54 +0800")
    assert "(limit 10 minutes)" in stale.failure_reason
    assert stale.updated_at == stale.completed_at == NOW
    assert task.status == TaskStatus.RUNNING


def test_a_live_task_refuses_a_second_start_and_is_returned() -> None:
    live = SyncTaskFactory.create(started_at=NOW - minutes(600), updated_at=NOW - minutes(9.9))
    with pytest.raises(TaskAlreadyRunning, match=f"Task {live.pk} of {JOB} is running") as refusal:
        tasks.start_task(JOB, now=NOW)
    assert refusal.value.task == live
    assert SyncTask.objects.count() == 1


def test_the_threshold_is_a_setting(settings: Settings) -> None:
    settings.SYNC_TASK_STALE_TIMEOUT_MINUTES = 3
    stale = SyncTaskFactory.create(updated_at=NOW - minutes(4))
    tasks.start_task(JOB, now=NOW)
    stale.refresh_from_db()
    assert "(limit 3 minutes)" in stale.failure_reason


def test_a_task_is_dead_as_soon_as_its_execution_is_closed() -> None:
    orphan = SyncTaskFactory.create(updated_at=NOW, execution_id=7)
    task = tasks.start_task(JOB, now=NOW, execution_is_closed=lambda execution: execution == 7)
    orphan.refresh_from_db()
    assert (orphan.status, orphan.failure_reason) == ("FAILED", "its execution 7 was closed")
    assert task.pk != orphan.pk


def test_another_job_type_does_not_count() -> None:
    SyncTaskFactory.create(job_type="sync_stock_basic")
    assert tasks.start_task(JOB, now=NOW).status == TaskStatus.RUNNING


def test_the_database_itself_allows_one_running_task() -> None:
    SyncTaskFactory.create()
    with pytest.raises(IntegrityError), transaction.atomic():
        SyncTaskFactory.create()


def test_every_advance_moves_updated_at_in_the_database() -> None:
    task = tasks.start_task(JOB, now=NOW)
    tasks.advance(task, cells=2, rows=7000, now=NOW + minutes(1))
    tasks.advance(task, cells=1, rows=10, now=NOW + minutes(2))
    stored = SyncTask.objects.get(pk=task.pk)
    assert (stored.current_offset, stored.total_processed) == (3, 7010)
    assert stored.updated_at == NOW + minutes(2)


def test_a_replaced_run_is_told_at_its_next_advance_and_cannot_close_the_task() -> None:
    task = tasks.start_task(JOB, now=NOW)
    tasks.start_task(JOB, now=NOW + minutes(11))
    with pytest.raises(TaskLost):
        tasks.advance(task, cells=1, rows=1, now=NOW + minutes(11))
    tasks.finish(task, TaskStatus.COMPLETED, now=NOW + minutes(12))
    task.refresh_from_db()
    assert task.status == TaskStatus.FAILED


def test_finishing_closes_the_task_and_frees_the_job_type() -> None:
    task = tasks.start_task(JOB, now=NOW)
    tasks.finish(task, TaskStatus.COMPLETED, now=NOW + minutes(1))
    task.refresh_from_db()
    assert (task.status, task.completed_at) == ("COMPLETED", NOW + minutes(1))
    assert tasks.start_task(JOB, now=NOW + minutes(2)).pk != task.pk


def test_a_task_ends_with_its_execution_when_the_run_is_cut_off() -> None:
    ours = SyncTaskFactory.create(execution_id=7)
    other = SyncTaskFactory.create(execution_id=8, job_type="another")
    reason = "its process attic:7 stopped responding at 2026-03-02 10:00:00 UTC"
    run_cut_off.send(sender=None, execution_id=7, job_id=JOB, reason=reason)
    for task in (ours, other):
        task.refresh_from_db()
    assert (ours.status, ours.failure_reason) == (TaskStatus.FAILED, reason)
    assert ours.completed_at is not None
    assert other.status == TaskStatus.RUNNING
