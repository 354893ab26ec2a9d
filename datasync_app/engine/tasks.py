"""The life of a SyncTask: one RUNNING per job type, alive while `updated_at` moves.

What a person asks of a task is in `task_requests`; the run hears of it at its next `check`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from datasync_app.dates import SHANGHAI
from datasync_app.engine.guard import Fence
from datasync_app.errors import TaskAlreadyRunning, TaskLost, TaskStopped
from datasync_app.models import SyncTask, TaskStatus, TaskWish

# By this name who works on a history asks others to help; jobs.py says what a helper does.
HISTORY_HELP = "history_shards"


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
    SYNC_TASK_STALE_TIMEOUT_MINUTES; a live one refuses the new start. A task that waits for this
    very execution goes on, and so does one with the same `config` that was parked for want of
    quota: only then is none made.

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
                    raise already(running)
                close(running, TaskStatus.FAILED, reason, now)
            task = _waiting(job_type, config or {}, execution_id) or SyncTask(
                job_type=job_type, config=config or {}, started_at=now
            )
            task.status = TaskStatus.RUNNING
            task.batch_size = batch_size
            task.execution_id = execution_id
            task.started_at = task.started_at or now
            task.resumed_at = task.updated_at = now
            task.offset_then = task.current_offset
            task.expected_cells = task.resume_at = task.completed_at = None
            task.wanted = task.wanted_by = task.failure_reason = ""
            task.save()
            return task
    except IntegrityError:
        # Another start won the race for the one RUNNING row between our look and our insert.
        winner = SyncTask.objects.filter(job_type=job_type, status=TaskStatus.RUNNING).first()
        if winner is None:
            raise
        raise already(winner) from None


def _waiting(job_type: str, config: dict[str, object], execution_id: int | None) -> SyncTask | None:
    """The task that this start is the continuation of."""
    tasks = SyncTask.objects.select_for_update().filter(job_type=job_type).order_by("-id")
    asked_for = tasks.filter(status=TaskStatus.PENDING, execution_id=execution_id)
    if execution_id is not None and (task := asked_for.first()) is not None:
        return task
    parked = tasks.filter(status=TaskStatus.PAUSED, resume_at__isnull=False, config=config)
    return parked.first()


def why_dead(
    task: SyncTask,
    *,
    now: dt.datetime,
    execution_is_closed: Callable[[int], bool] = _never_closed,
) -> str:
    """Why an open task is to be taken for dead, or "" while it is alive.

    One that is PENDING gives no sign of life: it waits for its execution, however long.
    """
    limit = settings.SYNC_TASK_STALE_TIMEOUT_MINUTES
    if task.execution_id is not None and execution_is_closed(task.execution_id):
        return f"its execution {task.execution_id} was closed"
    if task.status == TaskStatus.RUNNING and task.updated_at < now - dt.timedelta(minutes=limit):
        since = task.updated_at.astimezone(SHANGHAI)
        return f"no progress since {since:%Y-%m-%d %H:%M:%S %z} (limit {limit} minutes)"
    return ""


def expect(task: SyncTask, cells: int, *, now: dt.datetime) -> None:
    """Note that so many more cells are planned. Raises TaskLost as `advance` does."""
    before = task.current_offset if task.expected_cells is None else task.expected_cells
    task.expected_cells = before + cells
    _move(task, now)


def check(task: SyncTask) -> None:
    """Raises TaskStopped where a person asked for an end, TaskLost where the task was closed."""
    row = SyncTask.objects.filter(pk=task.pk).values_list("status", "wanted", "wanted_by").first()
    if row is None or row[0] != TaskStatus.RUNNING:
        raise _lost(task)
    _status, wanted, by = row
    if wanted == TaskWish.PAUSE:
        raise TaskStopped(f"paused by {by}; resume it to go on", paused=True)
    if wanted == TaskWish.CANCEL:
        raise TaskStopped(f"cancelled by {by}", paused=False)


def advance(task: SyncTask, *, cells: int, rows: int, now: dt.datetime) -> None:
    """Note finished cells and rows. Raises TaskLost when the task is no longer RUNNING."""
    task.current_offset += cells
    task.total_processed += rows
    _move(task, now)


def _move(task: SyncTask, now: dt.datetime) -> None:
    task.updated_at = now
    moved = SyncTask.objects.filter(pk=task.pk, status=TaskStatus.RUNNING).update(
        expected_cells=task.expected_cells,
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


def finish(
    task: SyncTask,
    status: TaskStatus,
    *,
    now: dt.datetime,
    reason: str = "",
    resume_at: dt.datetime | None = None,
) -> None:
    """Close or pause a task that is still ours; one that was replaced keeps the verdict it got."""
    with transaction.atomic():
        current = SyncTask.objects.select_for_update().filter(pk=task.pk).first()
        if current is not None and current.status == TaskStatus.RUNNING:
            current.resume_at = resume_at
            close(current, status, reason, now)


def fail_task_of(execution_id: int, reason: str, *, now: dt.datetime) -> None:
    """Fail the task of an execution that was closed for its run. One that is locked by a process
    that froze is left to the next start."""
    tasks = SyncTask.objects.select_for_update(skip_locked=True).filter(
        execution_id=execution_id, status=TaskStatus.RUNNING
    )
    with transaction.atomic():
        for task in tasks:
            close(task, TaskStatus.FAILED, reason, now)


def close(task: SyncTask, status: TaskStatus, reason: str, now: dt.datetime) -> None:
    """Write the end of a task whose row the caller has locked."""
    task.status = status
    task.failure_reason = reason
    task.updated_at = now
    task.completed_at = None if status == TaskStatus.PAUSED else now
    task.wanted = task.wanted_by = ""
    if status != TaskStatus.PAUSED:
        task.resume_at = None
    task.save()


def _lost(task: SyncTask) -> TaskLost:
    return TaskLost(
        f"Task {task.pk} ({task.job_type}) was closed by somebody else; this run stops."
    )


def already(task: SyncTask) -> TaskAlreadyRunning:
    """The refusal to start a second one."""
    moved = task.updated_at.astimezone(SHANGHAI)
    return TaskAlreadyRunning(
        _(
            "Task %(task)d of %(job)s is %(status)s (last progress %(moment)s); a second one was not "
            "started."
        )
        % {
            "task": task.pk,
            "job": task.job_type,
            "status": task.get_status_display(),
            "moment": f"{moved:%Y-%m-%d %H:%M:%S %z}",
        },
        task,
    )
