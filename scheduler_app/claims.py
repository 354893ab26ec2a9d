"""Who may start what: every decision is made in the database, by the holder of the lease alone.

The execution row is the claim. It is inserted, or taken from QUEUED to RUNNING, before anything
starts; a row that is already there means that someone else has the slot. The lease cannot change
hands while a claim is made, and every claim carries its fence.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from scheduler_app import leadership
from scheduler_app.cron import trigger_of
from scheduler_app.errors import InvalidCron
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """The process that claims, and the fence under which it leads."""

    process_id: UUID
    fence: int

    def hold(self) -> None:
        """In the transaction of a claim, first.

        Raises:
            LeaseLost: another process leads now.
        """
        leadership.hold(self.process_id, self.fence)


def claim_slot(job_id: str, slot: datetime, cause: Cause, owner: Owner) -> ExecutionLog | None:
    """Claim attempt 1 of a slot; the execution if it is RUNNING for this process now.

    None where there is nothing to start: the slot is taken, the schedule no longer has it, or the
    job is still running, which leaves a row that says so. A claim of this process whose answer was
    lost is given again: the caller knows what it has started.

    Raises:
        LeaseLost: another process leads now.
    """
    with transaction.atomic():
        owner.hold()
        _lock(job_id)
        config = JobConfig.objects.get_by_job_id(job_id)
        if config is None or not _has_slot(config, slot):
            logger.info("action=drop_slot job_id=%s slot=%s: not scheduled any more", job_id, slot)
            return None
        taken = ExecutionLog.objects.filter(job_id=job_id, scheduled_for=slot, attempt=1).first()
        if taken is not None:
            mine = taken.status == Status.RUNNING and taken.process_id == owner.process_id
            return taken if mine else None
        now = timezone.now()
        execution = ExecutionLog(
            job_id=job_id,
            scheduled_for=slot,
            status=Status.RUNNING,
            caused_by=cause,
            process_id=owner.process_id,
            fence=owner.fence,
            job_kwargs=config.job_kwargs,
            started_at=now,
        )
        running = _running(job_id)
        if running is not None:
            execution.status = Status.SKIPPED_OVERLAP
            execution.finished_at = now
            execution.error_message = f"execution {running} of this job was still running"
        execution.save(force_insert=True)
        _advance(job_id, slot)
        if running is None:
            _note_run(job_id, now)
    if running is not None:
        logger.warning("action=skip_overlap job_id=%s slot=%s running=%s", job_id, slot, running)
        return None
    return execution


def claim_queued(execution_id: int, job_id: str, owner: Owner) -> ExecutionLog | None:
    """Take a queued execution to RUNNING; None while the job still runs, or if it is taken.

    Raises:
        LeaseLost: another process leads now.
    """
    with transaction.atomic():
        owner.hold()
        _lock(job_id)
        execution = ExecutionLog.objects.filter(pk=execution_id).first()
        if execution is None:
            return None
        if execution.status == Status.RUNNING and execution.process_id == owner.process_id:
            return execution
        if execution.status != Status.QUEUED or _running(job_id) is not None:
            return None
        execution.status = Status.RUNNING
        execution.process_id = owner.process_id
        execution.fence = owner.fence
        execution.started_at = timezone.now()
        execution.save(update_fields=["status", "process", "fence", "started_at"])
        _note_run(job_id, execution.started_at)
    return execution


def record_missed(job_id: str, slots: Iterable[datetime], reason: str, owner: Owner) -> None:
    """Leave a MISSED row for each slot that has no row yet.

    Raises:
        LeaseLost: another process leads now.
    """
    now = timezone.now()
    rows = [
        ExecutionLog(
            job_id=job_id,
            scheduled_for=slot,
            status=Status.MISSED,
            caused_by=Cause.SCHEDULE,
            started_at=now,
            finished_at=now,
            error_message=reason,
        )
        for slot in slots
    ]
    if not rows:
        return
    with transaction.atomic():
        owner.hold()
        _lock(job_id)
        ExecutionLog.objects.bulk_create(rows, ignore_conflicts=True)
        _advance(job_id, max(row.scheduled_for for row in rows))
    logger.warning("action=missed job_id=%s rows=%s: %s", job_id, len(rows), reason)


def cancel_follow_ups(job_id: str, reason: str) -> None:
    """Close the follow-ups of a job that wait for their moment, with the reason."""
    now = timezone.now()
    with transaction.atomic():
        _lock(job_id)
        waiting = ExecutionLog.objects.filter(
            job_id=job_id, status=Status.QUEUED, caused_by=Cause.FOLLOW_UP
        )
        closed = waiting.update(
            status=Status.CANCELLED, started_at=now, finished_at=now, error_message=reason
        )
    if closed:
        logger.info("action=cancel_follow_up job_id=%s: %s", job_id, reason)


def withdraw(execution_id: int, reason: str) -> bool:
    """Close an execution that still waits to be started, with the reason; whether it did."""
    now = timezone.now()
    waiting = ExecutionLog.objects.filter(pk=execution_id, status=Status.QUEUED)
    closed = waiting.update(
        status=Status.CANCELLED, started_at=now, finished_at=now, error_message=reason
    )
    if closed:
        logger.info("action=withdraw execution=%s: %s", execution_id, reason)
    return bool(closed)


def _lock(job_id: str) -> None:
    # One claim of a job at a time, in all processes; released with the transaction, which the
    # server ends by itself if this process freezes in the middle of it.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', '2s', true),"
            " pg_advisory_xact_lock(hashtext('scheduler_execution_log'), hashtext(%s))",
            [job_id],
        )


def _running(job_id: str) -> int | None:
    running = ExecutionLog.objects.filter(job_id=job_id, status=Status.RUNNING)
    return running.values_list("pk", flat=True).first()


def _note_run(job_id: str, now: datetime) -> None:
    JobConfig.objects.filter(job_id=job_id).update(last_run_at=now)


def _has_slot(config: JobConfig, slot: datetime) -> bool:
    try:
        return config.enabled and trigger_of(config).is_slot(slot)
    except InvalidCron:
        return False


def _advance(job_id: str, slot: datetime) -> None:
    behind = Q(last_slot__isnull=True) | Q(last_slot__lt=slot)
    JobConfig.objects.filter(behind, job_id=job_id).update(last_slot=slot)
