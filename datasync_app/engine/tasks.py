"""The life of a SyncTask: one RUNNING per job type, alive while `updated_at` moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from datasync_app.dates import SHANGHAI
from datasync_app.engine.store import Fence
from datasync_app.errors import TaskAlreadyRunning, TaskLost
from datasync_app.models import SyncTask, TaskStatus


def _never_closed(execution_id: int) -> bool:
    return False


def start_task(
    job_type: str,
    *,
    now: dt.datetime,
    batch_size: int = 50,
    config: dict[str, object] | None = None,
    execution_id: int | None = None,
    execution_is_closed: Callable[[int], bool] = _never_closed,
) -> SyncTask:
    """Start a task of that type, replacing one that has stopped.

    A RUNNING task is dead when its execution is closed, or when nothing moved it for
    SYNC_TASK_STALE_TIMEOUT_MINUTES; a live one refuses the new start.

    Raises:
        TaskAlreadyRunning: with the live task.
    """
    try:
        with transaction.atomic():
            running = (
                SyncTask.objects.select_for_update()
                .filter(job_type=job_type, status=TaskStatus.RUNNING)
                .first()
            )
            if running is not None:
                reason = why_dead(running, now=now, execution_is_closed=execution_is_closed)
                if not reason:
                    raise _already(running)
                _close(running, TaskStatus.FAILED, reason, now)
            return SyncTask.objects.create(
                job_type=job_type,
                status=TaskStatus.RUNNING,
                batch_size=batch_size,
                config=config or {},
                execution_id=execution_id,
                started_at=now,
                updated_at=now,
            )
    except IntegrityError:
        # Another start won the race for the one RUNNING row between our look and our insert.
        winner = SyncTask.objects.filter(job_type=job_type, status=TaskStatus.RUNNING).first()
        if winner is None:
            raise
        raise _already(winner) from None


def why_dead(
    task: SyncTask,
    *,
    now: dt.datetime,
    execution_is_closed: Callable[[int], bool] = _never_closed,
) -> str:
    """Why a RUNNING task is to be taken for dead, or "" while it is alive."""
    limit = settings.SYNC_TASK_STALE_TIMEOUT_MINUTES
    if task.execution_id is not None and execution_is_closed(task.execution_id):
        return f"its execution {task.execution_id} was closed"
    if task.updated_at < now - dt.timedelta(minutes=limit):
        since = task.updated_at.astimezone(SHANGHAI)
        return f"no progress since {since:%Y-%m-%d %H:%M:%S %z} (limit {limit} minutes)"
    return ""


def advance(task: SyncTask, *, cells: int, rows: int, now: dt.datetime) -> None:
    """Note finished cells and rows. Raises TaskLost when the task is no longer RUNNING."""
    task.current_offset += cells
    task.total_processed += rows
    task.updated_at = now
    moved = SyncTask.objects.filter(pk=task.pk, status=TaskStatus.RUNNING).update(
        current_offset=task.current_offset,
        total_processed=task.total_processed,
        updated_at=now,
    )
    if not moved:
        raise _lost(task)


@contextmanager
def fenced_by(task: SyncTask, fence: Fence) -> Iterator[None]:
    """A transaction of the run's own fence that commits only while the task is RUNNING.

    The task's row is locked FOR SHARE: whoever closes or drops it waits for this commit, and from
    then on no further one gets through.

    Raises:
        TaskLost: the task was closed, or dropped with its data by `go_live`.
    """
    with fence():
        with connection.cursor() as cursor:
            cursor.execute("SELECT status FROM sync_task WHERE id = %s FOR SHARE", [task.pk])
            row = cursor.fetchone()
        if row is None or row[0] != TaskStatus.RUNNING:
            raise _lost(task)
        yield


def finish(task: SyncTask, status: TaskStatus, *, now: dt.datetime, reason: str = "") -> None:
    """Close a task that is still ours; a task that was replaced keeps the verdict it got."""
    with transaction.atomic():
        current = SyncTask.objects.select_for_update().filter(pk=task.pk).first()
        if current is not None and current.status == TaskStatus.RUNNING:
            _close(current, status, reason, now)


def fail_task_of(execution_id: int, reason: str, *, now: dt.datetime) -> None:
    """Fail the task of an execution that was closed for its run. One that is locked by a process
    that froze is left to the next start."""
    tasks = SyncTask.objects.select_for_update(skip_locked=True).filter(
        execution_id=execution_id, status=TaskStatus.RUNNING
    )
    with transaction.atomic():
        for task in tasks:
            _close(task, TaskStatus.FAILED, reason, now)


def _close(task: SyncTask, status: TaskStatus, reason: str, now: dt.datetime) -> None:
    task.status = status
    task.failure_reason = reason
    task.updated_at = now
    task.completed_at = now
    task.save(update_fields=["status", "failure_reason", "updated_at", "completed_at"])


def _lost(task: SyncTask) -> TaskLost:
    return TaskLost(
        f"Task {task.pk} ({task.job_type}) was closed by somebody else; this run stops."
    )


def _already(task: SyncTask) -> TaskAlreadyRunning:
    moved = task.updated_at.astimezone(SHANGHAI)
    return TaskAlreadyRunning(
        f"Task {task.pk} of {task.job_type} is running (last progress {moved:%Y-%m-%d %H:%M:%S %z}); "
        "a second one was not started.",
        task,
    )
