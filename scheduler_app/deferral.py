"""Executions that workers run: given away by the scheduler that claimed them, taken over by one worker.

In between an execution is RUNNING and belongs to no process; `handed_over_at` says since when. The end
of the scheduler that gave it away does not touch it, and whoever takes it over first has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from scheduler_app import recovery
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.outage import AWAY

logger = logging.getLogger(__name__)

Defer = Callable[[int], None]


def hand_over(execution: ExecutionLog, defer: Defer, *, try_again: Callable[[], bool]) -> None:
    """Give a claimed execution to the workers: its owner goes as `defer` commits, or neither does.

    Repeated while the database is away. Never raises: what went wrong is in the log, and the
    execution is closed for it.
    """
    while True:
        try:
            _hand_over(execution, defer)
            return
        except AWAY:
            connections.close_all()
            if not try_again():
                return
        except Exception as error:
            logger.exception("action=hand_over execution=%s failed", execution.pk)
            reason = f"it could not be handed to the workers: {error}"
            recovery.close_for(execution, Status.FAILED, reason)
            return


def _hand_over(execution: ExecutionLog, defer: Defer) -> None:
    with transaction.atomic():
        owned = ExecutionLog.objects.filter(
            pk=execution.pk,
            status=Status.RUNNING,
            process_id=execution.process_id,
            fence=execution.fence,
        )
        if not owned.update(process=None, handed_over_at=Now()):
            logger.warning("action=hand_over execution=%s: it was lost meanwhile", execution.pk)
            return
        defer(execution.pk)
    logger.info("action=hand_over job_id=%s execution=%s", execution.job_id, execution.pk)


def take_over(execution_id: int, process_id: UUID) -> ExecutionLog | None:
    """Make the execution that process's own; None if it is taken, closed, or not wanted any more.

    Raises:
        django.db.Error: the database is away; nothing was taken.
    """
    waiting = ExecutionLog.objects.filter(
        pk=execution_id, status=Status.RUNNING, handed_over_at__isnull=False
    ).exclude(stop_request__at_once=True)
    taken = waiting.update(process_id=process_id, handed_over_at=None, started_at=Now())
    if not taken:
        logger.info("action=take_over execution=%s: nothing to run any more", execution_id)
        return None
    execution = ExecutionLog.objects.get(pk=execution_id)
    config = JobConfig.objects.get_by_job_id(execution.job_id)
    execution.in_own_process = config is not None and config.runs_in_subprocess
    return execution


def close_unwanted() -> None:
    """Close what no worker has taken over yet and was asked to stop."""
    unwanted = ExecutionLog.objects.filter(
        status=Status.RUNNING, handed_over_at__isnull=False, stop_request__at_once=True
    )
    for execution in unwanted.select_related("stop_request"):
        recovery.close_for(execution, Status.CANCELLED, execution.stop_request.reason)


def waiting_for(seconds: float) -> list[int]:
    """The executions that no worker took over for so long; that is told."""
    since = timezone.now() - timedelta(seconds=seconds)
    late = ExecutionLog.objects.filter(status=Status.RUNNING, handed_over_at__lt=since)
    waiting = list(late.order_by("id").values_list("id", flat=True))
    if waiting:
        logger.warning(
            "action=wait_for_workers executions=%s: no worker took them for %s s; "
            "`manage.py procrastinate worker` starts one",
            len(waiting),
            f"{seconds:g}",
        )
    return waiting
