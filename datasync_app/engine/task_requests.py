"""What a person asks of a task: pause, resume, cancel. The run itself hears of it between cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils.translation import gettext as _

from datasync_app.engine import tasks
from datasync_app.errors import TaskRefused
from datasync_app.models import SyncTask, TaskStatus, TaskWish

# Queues a run of a job with these arguments and gives its execution's id.
Queue = Callable[[str, dict[str, object]], int]
# Takes back a queued execution, for a reason; False where it has started meanwhile.
Withdraw = Callable[[int, str], bool]


def pause(task_id: int, *, by: str, now: dt.datetime, withdraw: Withdraw) -> SyncTask:
    """Ask a RUNNING task to pause between two cells; one that waits to start pauses at once.

    Raises:
        SyncTask.DoesNotExist: no such task.
        TaskRefused: it is over, or paused already.
    """
    with _locked(task_id) as task:
        if task.status == TaskStatus.RUNNING:
            _wish(task, TaskWish.PAUSE, by)
        elif task.status == TaskStatus.PENDING:
            reason = f"paused by {by}; resume it to go on"
            _take_back(task, reason, withdraw)
            tasks.close(task, TaskStatus.PAUSED, reason, now)
        else:
            raise _refused(task, _("Task %(task)d is %(status)s; a running task can be paused."))
    return task


def resume(task_id: int, *, now: dt.datetime, queue: Queue) -> SyncTask:
    """Let a paused or parked task go on with a run of its job that is queued now.

    Raises:
        SyncTask.DoesNotExist: no such task.
        TaskRefused: it is not paused.
        Whatever `queue` raises; then the task stays paused.
    """
    with _locked(task_id) as task:
        if task.status == TaskStatus.RUNNING and task.wanted == TaskWish.PAUSE:
            _wish(task, "", "")
            return task
        if task.status != TaskStatus.PAUSED:
            raise _refused(task, _("Task %(task)d is %(status)s; a paused task can be resumed."))
        task.execution_id = queue(task.job_type, task.config)
        task.status = TaskStatus.PENDING
        task.failure_reason, task.resume_at = "", None
        task.updated_at = now
        task.save()
    return task


def cancel(task_id: int, *, by: str, now: dt.datetime, withdraw: Withdraw) -> SyncTask:
    """End a task: a RUNNING one between two cells, one that waits or is paused at once.

    Raises:
        SyncTask.DoesNotExist: no such task.
        TaskRefused: it is over.
    """
    with _locked(task_id) as task:
        if task.status == TaskStatus.RUNNING:
            _wish(task, TaskWish.CANCEL, by)
        elif task.status in (TaskStatus.PENDING, TaskStatus.PAUSED):
            reason = f"cancelled by {by}"
            _take_back(task, reason, withdraw)
            tasks.close(task, TaskStatus.FAILED, reason, now)
        else:
            said = _(
                "Task %(task)d is %(status)s; one that is running, waiting or paused can be "
                "cancelled."
            )
            raise _refused(task, said)
    return task


@contextmanager
def _locked(task_id: int) -> Iterator[SyncTask]:
    with transaction.atomic():
        yield SyncTask.objects.select_for_update().get(pk=task_id)


def _take_back(task: SyncTask, reason: str, withdraw: Withdraw) -> None:
    """A task that waits for a run is not left to be found by it; a run that just began goes on alone."""
    if task.status == TaskStatus.PENDING and task.execution_id is not None:
        withdraw(task.execution_id, reason)
        task.execution_id = None


def _wish(task: SyncTask, wish: str, by: str) -> None:
    """`updated_at` stays: it is the run's sign of life, and nobody else's."""
    task.wanted, task.wanted_by = wish, by
    task.save(update_fields=["wanted", "wanted_by"])


def _refused(task: SyncTask, sentence: str) -> TaskRefused:
    return TaskRefused(sentence % {"task": task.pk, "status": task.status})
