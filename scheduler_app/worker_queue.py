"""The queue between schedulers and workers: procrastinate, whose tables lie in the same PostgreSQL.

Imported only where SCHEDULER_DISPATCH asks for it: the package is an extra.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db import OperationalError
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status

logger = logging.getLogger(__name__)

RUN = "scheduler_app.run"
HELP = "scheduler_app.help"
# A worker that did not beat for so long is gone for the queue, which it tells every ten seconds.
STALLED = timedelta(seconds=30)
DOING = Status.DOING.value


def defer_run(execution_id: int) -> None:
    """Let a worker take that execution over, in the caller's transaction.

    Raises:
        django.db.OperationalError: the database is away.
    """
    _defer(RUN, {"execution_id": execution_id})


def defer_help(name: str, kwargs: Mapping[str, object], *, in_seconds: int = 0) -> None:
    """Let a worker do that help, in the caller's transaction. Raises as `defer_run`."""
    _defer(HELP, {"name": name, "kwargs": dict(kwargs)}, in_seconds=in_seconds)


def retry_stalled() -> None:
    """Give the jobs of workers that stopped beating to others: a killed worker's stay `doing`.

    A run that such a worker had taken over is closed by its process's heartbeat, long before; whoever
    gets its job finds nothing to do.

    Raises:
        django.db.OperationalError: the database is away.
    """
    gone = Q(worker=None) | Q(worker__last_heartbeat__lt=Now() - STALLED)
    for job in ProcrastinateJob.objects.filter(gone, status=DOING):
        logger.warning(
            "action=retry_stalled job=%s of worker %s: %s", job.pk, job.worker_id, job.args
        )
        _retry(job.pk)


def revive(executions: Collection[int]) -> None:
    """See that executions which nobody took over for long can be: give back the job that a worker fetched
    and never heard of, as the answer was lost with its connection, and make one that is gone anew.

    Who takes over is decided by the execution: one job too many finds nothing to do. Raises as
    `retry_stalled`.
    """
    found = (
        ProcrastinateJob.objects.filter(task_name=RUN, args__execution_id__in=list(executions))
        if executions
        else ()
    )
    jobs = {job.args["execution_id"]: job for job in found}
    for execution_id in executions:
        job = jobs.get(execution_id)
        if job is None:
            logger.warning("action=revive execution=%s: its job was gone", execution_id)
            defer_run(execution_id)
        elif job.status == DOING:
            logger.warning("action=revive execution=%s: nobody heard of it", execution_id)
            _retry(job.pk)


def _retry(job_id: int) -> None:
    try:
        app.job_manager.retry_job_by_id(job_id, retry_at=timezone.now())
    except ConnectorException as error:
        raise OperationalError(str(error)) from error


def _defer(task: str, kwargs: dict[str, Any], *, in_seconds: int = 0) -> None:
    delay = {"seconds": in_seconds} if in_seconds else None
    try:
        app.configure_task(task, allow_unknown=True, schedule_in=delay).defer(**kwargs)
    except ConnectorException as error:
        raise OperationalError(str(error)) from error
