"""Tasks as staff steer them, whether in the admin or by the API: start, pause, resume, cancel."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from datasync_app.datasets import (
    DAILY_DATASETS,
    DISCLOSURE_DATE,
    FINA_INDICATOR,
    STOCK_BASIC,
    TRADE_CAL,
)
from datasync_app.datasets.base import Dataset
from datasync_app.datasets.concept import CONCEPT_SOURCES
from datasync_app.dates import show_date
from datasync_app.engine import ledger, task_requests, tasks
from datasync_app.errors import TaskRefused
from datasync_app.models import EndpointAccess, SyncTask, TaskStatus
from datasync_app.session import execution_is_closed
from scheduler_app import claims, configs, going_on
from scheduler_app.models import Cause, ExecutionLog
from scheduler_app.registry import registry

logger = logging.getLogger(__name__)

# Which job asks for the cells of a dataset; the daily one for all others.
_JOBS = {
    **dict.fromkeys((TRADE_CAL.name, STOCK_BASIC.name), "sync_stock_basic"),
    **dict.fromkeys((DISCLOSURE_DATE.name, FINA_INDICATOR.name), "sync_incremental_finance"),
    **{
        each.name: "sync_concept_data"
        for source in CONCEPT_SOURCES.values()
        for each in (source.listed, source.members)
    },
}


def live_task(job_id: str) -> SyncTask | None:
    """The task of that job that runs, or waits for its run to be started."""
    now = timezone.now()
    open_tasks = SyncTask.objects.filter(
        job_type=job_id, status__in=[TaskStatus.RUNNING, TaskStatus.PENDING]
    )
    for task in open_tasks:
        if not tasks.why_dead(task, now=now, execution_is_closed=execution_is_closed):
            return task
    return None


def start(
    job_id: str,
    *,
    by: str,
    kwargs: Mapping[str, object] | None = None,
    idempotency_key: str | None = None,
) -> ExecutionLog:
    """Queue a run of a job whose tasks may not overlap.

    Raises:
        TaskAlreadyRunning: with the live task, running or about to.
        InvalidSchedule: the arguments do not fit, field by field.
    """
    if (task := live_task(job_id)) is not None:
        raise tasks.already(task)
    execution, _created = configs.queue_run(
        job_id, Cause.API, triggered_by=by, job_kwargs=kwargs, idempotency_key=idempotency_key
    )
    logger.info("action=start_task job_id=%s execution=%s by=%s", job_id, execution.pk, by)
    return execution


def repair(dataset: Dataset, cell: str, *, by: str) -> ExecutionLog:
    """Queue the run that asks for the cell, from the shortest wait on. A good cell stays good.

    Raises:
        LedgerRefused: the ledger has no such cell.
    """
    with transaction.atomic():
        entry = ledger.reset(dataset, cell, now=timezone.now())
        job_id = _JOBS.get(dataset.name, "sync_daily_by_date")
        kwargs: dict[str, object] = {}
        if dataset in DAILY_DATASETS and entry.cell_date:
            day = show_date(entry.cell_date)
            kwargs = {"start": day, "end": day}
        execution, _created = configs.queue_run(
            job_id, Cause.API, triggered_by=by, job_kwargs=kwargs
        )
    logger.info(
        "action=repair_cell dataset=%s cell=%s execution=%s by=%s",
        dataset.name, cell, execution.pk, by,
    )  # fmt: skip
    return execution


def pause(task_id: int, *, by: str) -> SyncTask:
    """Pause a task between two cells. Raises as `task_requests.pause` does."""
    task = task_requests.pause(task_id, by=by, now=timezone.now(), withdraw=claims.withdraw)
    logger.info("action=pause_task task=%s by=%s", task_id, by)
    return task


def resume(task_id: int, *, by: str) -> SyncTask:
    """Let a paused or parked task go on now. Raises as `task_requests.resume` does."""

    def queue(job_type: str, config: dict[str, object]) -> int:
        if job_type not in registry:
            raise TaskRefused(
                _("Task %(task)d belongs to the command `manage.py %(command)s`: start that again.")
                % {"task": task_id, "command": job_type}
            )
        going_on.cancel_follow_ups(job_type, f"{by} let the task go on at once")
        execution, _created = configs.queue_run(
            job_type, Cause.API, triggered_by=by, job_kwargs=config
        )
        return execution.pk

    task = task_requests.resume(task_id, now=timezone.now(), queue=queue)
    logger.info("action=resume_task task=%s execution=%s by=%s", task_id, task.execution_id, by)
    return task


def cancel(task_id: int, *, by: str) -> SyncTask:
    """End a task, a running one between two cells. Raises as `task_requests.cancel` does."""
    task = task_requests.cancel(task_id, by=by, now=timezone.now(), withdraw=claims.withdraw)
    if task.status == TaskStatus.FAILED:
        going_on.cancel_follow_ups(task.job_type, f"{by} cancelled the task")
    logger.info("action=cancel_task task=%s by=%s", task_id, by)
    return task


def forget_learned(chosen: QuerySet[EndpointAccess]) -> int:
    """Let the next run find out anew what these endpoints allow; how many there are. A limit that
    staff set stays."""
    return chosen.update(
        learned_at=None,
        learned_limit=None,
        stated_limit=None,
        denied_at=None,
        spent_until=None,
        held_until=None,
    )
