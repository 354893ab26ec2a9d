"""What may follow a run: requests to runs under way, and the end of what waits for its moment."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from scheduler_app.locks import lock_job
from scheduler_app.models import ASKED_FOR, Cause, ExecutionLog, Status, StopRequest

logger = logging.getLogger(__name__)


def ask_to_stop(execution_id: int, reason: str) -> None:
    """Ask a run under way to stop at its next checkpoint. Whoever asked first is named."""
    asked, created = StopRequest.objects.get_or_create(
        execution_id=execution_id, defaults={"at_once": True, "reason": reason}
    )
    if not created and not asked.at_once:
        asked.at_once, asked.reason = True, reason
        asked.save()


def follow_up(after: int, at: datetime) -> None:
    """Queue another run of an execution's job for `at`, unless the job was stopped meanwhile."""
    with transaction.atomic():
        job_id = ExecutionLog.objects.values_list("job_id", flat=True).get(pk=after)
        lock_job(job_id)
        stop = StopRequest.objects.filter(execution_id=after).first()
        if stop is None:
            ExecutionLog.objects.queue_follow_up(after, at)
    if stop is not None:
        logger.info("action=no_follow_up execution=%s: %s", after, stop.reason)


def end_waiting(job_id: str, reason: str) -> None:
    """Close the follow-ups, retries and slots of a job that wait, with the reason, and let nothing
    follow what runs now. Runs that a person asked for stay."""
    with transaction.atomic():
        lock_job(job_id)
        _close(_waiting(job_id).exclude(caused_by__in=ASKED_FOR), job_id, reason)
        running = ExecutionLog.objects.filter(job_id=job_id, status=Status.RUNNING)
        StopRequest.objects.bulk_create(
            [
                StopRequest(execution_id=pk, at_once=False, reason=reason)
                for pk in running.values_list("pk", flat=True)
            ],
            ignore_conflicts=True,
        )


def cancel_follow_ups(job_id: str, reason: str) -> None:
    """Close what waits to go on where a run of the job ended: its follow-ups and retries."""
    with transaction.atomic():
        lock_job(job_id)
        going_on = _waiting(job_id).filter(caused_by__in=[Cause.FOLLOW_UP, Cause.RETRY])
        _close(going_on, job_id, reason)


def _waiting(job_id: str) -> QuerySet[ExecutionLog]:
    return ExecutionLog.objects.filter(job_id=job_id, status=Status.QUEUED)


def _close(waiting: QuerySet[ExecutionLog], job_id: str, reason: str) -> None:
    now = timezone.now()
    closed = waiting.update(
        status=Status.CANCELLED, started_at=now, finished_at=now, error_message=reason
    )
    if closed:
        logger.info("action=end_waiting job_id=%s closed=%s: %s", job_id, closed, reason)
