"""Who may start what: every decision is made in the database, by the holder of the lease alone.

The execution row is the claim. It is inserted, or taken from QUEUED to RUNNING, before anything
starts; a row that is already there means that someone else has the slot. The lease cannot change
hands while a claim is made, and every claim carries its fence.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from scheduler_app import going_on, leadership, left_out, policies
from scheduler_app.calendars import run_day
from scheduler_app.cron import trigger_of
from scheduler_app.errors import InvalidCron
from scheduler_app.left_out import LeftOut
from scheduler_app.locks import lock_job
from scheduler_app.models import ASKED_FOR, OPEN_STATUSES, Cause, ExecutionLog, JobConfig, Status
from scheduler_app.policies import Open

logger = logging.getLogger(__name__)

HEARD_WITHIN = timedelta(seconds=3)


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

    None where there is nothing to start: the slot is taken, the schedule no longer has it, or its
    policies leave it out or let it wait, which leaves a row that says so. A claim of this process
    whose answer was lost is given again: the caller knows what it has started.

    Raises:
        LeaseLost: another process leads now.
    """
    with transaction.atomic():
        owner.hold()
        lock_job(job_id)
        config = JobConfig.objects.get_by_job_id(job_id)
        if config is None or not has_slot(config, slot):
            logger.info("action=drop_slot job_id=%s slot=%s: not scheduled any more", job_id, slot)
            return None
        taken = ExecutionLog.objects.filter(job_id=job_id, scheduled_for=slot, attempt=1).first()
        if taken is not None:
            mine = taken.status == Status.RUNNING and taken.process_id == owner.process_id
            return taken if mine else None
        now = timezone.now()
        day = run_day(config, slot)
        others = _open(job_id)
        verdict = policies.judge_slot(config, slot, now, day, others)
        _advance(job_id, slot)
        if verdict.status not in OPEN_STATUSES:
            left_out.record(job_id, LeftOut(slot, verdict.status, verdict.reason), now)
            return None
        if verdict.takes_over:
            _make_way(others, slot, now)
        execution = ExecutionLog(
            job_id=job_id,
            scheduled_for=slot,
            status=verdict.status,
            caused_by=cause,
            job_kwargs=config.job_kwargs,
        )
        if verdict.status == Status.RUNNING:
            execution.started_at = now
            execution.process_id, execution.fence = owner.process_id, owner.fence
            _note_run(job_id, now)
        execution.save(force_insert=True)
    execution.doubt, execution.in_own_process = day.doubt, config.runs_in_subprocess
    return execution if verdict.status == Status.RUNNING else None


def claim_queued(execution_id: int, job_id: str, owner: Owner) -> ExecutionLog | None:
    """Take a queued execution to RUNNING; None while it has to wait, or if it is taken or closed.

    Raises:
        LeaseLost: another process leads now.
    """
    with transaction.atomic():
        owner.hold()
        lock_job(job_id)
        execution = ExecutionLog.objects.filter(pk=execution_id).first()
        if execution is None:
            return None
        if execution.status == Status.RUNNING and execution.process_id == owner.process_id:
            return execution
        if execution.status != Status.QUEUED or _open(job_id).running is not None:
            return None
        now = timezone.now()
        config = JobConfig.objects.get_by_job_id(job_id)
        due = execution.not_before or execution.scheduled_for
        verdict = policies.judge_waiting(config, execution.caused_by, due, now)
        if verdict.status == Status.QUEUED:
            return None
        execution.status = verdict.status
        execution.started_at = now
        if verdict.status == Status.RUNNING:
            execution.process_id, execution.fence = owner.process_id, owner.fence
            _note_run(job_id, now)
        else:
            execution.finished_at = now
            execution.error_message = verdict.reason
        execution.save(
            update_fields=[
                "status",
                "process",
                "fence",
                "started_at",
                "finished_at",
                "error_message",
            ]
        )
    if verdict.status == Status.RUNNING:
        execution.in_own_process = config is not None and config.runs_in_subprocess
        return execution
    logger.warning(
        "action=left_out job_id=%s execution=%s: %s", job_id, execution_id, verdict.reason
    )
    return None


def give_back(executions: Iterable[ExecutionLog]) -> None:
    """Let whoever leads next start what this process has claimed and will not start."""
    for execution in executions:
        back = ExecutionLog.objects.filter(
            pk=execution.pk, process_id=execution.process_id, status=Status.RUNNING
        ).update(status=Status.QUEUED, process=None, fence=None, started_at=None)
        if back:
            logger.info("action=give_back execution=%s job_id=%s", execution.pk, execution.job_id)


def unheard(process_id: UUID) -> list[ExecutionLog]:
    """The executions that are RUNNING for a process since some seconds.

    Among them may be one that the process never heard of: its claim was committed, but the answer
    was lost with the connection.
    """
    since = timezone.now() - HEARD_WITHIN
    running = list(
        ExecutionLog.objects.filter(
            process_id=process_id, status=Status.RUNNING, started_at__lt=since
        )
    )
    alone = JobConfig.objects.filter(
        job_id__in=[execution.job_id for execution in running], runs_in_subprocess=True
    )
    in_own_process = set(alone.values_list("job_id", flat=True)) if running else set()
    for execution in running:
        execution.in_own_process = execution.job_id in in_own_process
    return running


def lined_up(now: datetime) -> set[str]:
    """The jobs with an execution that waits, and no longer for its moment."""
    waiting = ExecutionLog.objects.filter(status=Status.QUEUED)
    due = waiting.annotate(due=Coalesce("not_before", "scheduled_for")).filter(due__lte=now)
    return set(due.values_list("job_id", flat=True))


def ready(now: datetime) -> list[tuple[str, int]]:
    """Queued executions that may start now, the oldest of each job: (job_id, id).

    However many one job has, the others get their turn. What a pause holds is left out here, so
    that it does not stand in front of a run that a person asked for.
    """
    running = ExecutionLog.objects.filter(status=Status.RUNNING).values("job_id")
    paused = JobConfig.objects.filter(paused_at__lte=now).exclude(paused_until__lte=now)
    due = (
        ExecutionLog.objects.filter(status=Status.QUEUED)
        .annotate(due=Coalesce("not_before", "scheduled_for"))
        .filter(due__lte=now)
        .exclude(job_id__in=running)
        .filter(Q(caused_by__in=ASKED_FOR) | ~Q(job_id__in=paused.values("job_id")))
    )
    return list(due.order_by("job_id", "id").distinct("job_id").values_list("job_id", "id"))


def record_left_out(job_id: str, rows: Sequence[LeftOut], owner: Owner) -> None:
    """Leave a row for each slot that has none yet, with what became of it."""
    if not rows:
        return
    with transaction.atomic():
        owner.hold()
        lock_job(job_id)
        left_out.record_all(job_id, rows, timezone.now())
        _advance(job_id, max(row.slot for row in rows))


def queue_catch_ups(job_id: str, slots: Sequence[datetime], owner: Owner) -> None:
    """Let missed slots wait in line, the oldest first: they run one after the other."""
    if not slots:
        return
    with transaction.atomic():
        owner.hold()
        lock_job(job_id)
        config = JobConfig.objects.get_by_job_id(job_id)
        if config is None or not config.enabled:
            return
        rows = [
            ExecutionLog(
                job_id=job_id,
                scheduled_for=slot,
                status=Status.QUEUED,
                caused_by=Cause.CATCH_UP,
                job_kwargs=config.job_kwargs,
            )
            for slot in slots
        ]
        ExecutionLog.objects.bulk_create(rows, ignore_conflicts=True)
        _advance(job_id, max(slots))
    logger.info("action=catch_up job_id=%s slots=%s wait in line", job_id, len(rows))


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


def _open(job_id: str) -> Open:
    found = ExecutionLog.objects.filter(
        Q(status=Status.RUNNING) | Q(status=Status.QUEUED, caused_by=Cause.SCHEDULE),
        job_id=job_id,
    )
    by_status = dict(found.order_by("-id").values_list("status", "id"))
    return Open(running=by_status.get(Status.RUNNING), waiting=by_status.get(Status.QUEUED))


def _make_way(others: Open, slot: datetime, now: datetime) -> None:
    """For a slot that stops the run under way: that one is asked, and an older slot that waits for
    the same steps back."""
    if others.running is not None:
        reason = f"the slot of {policies.utc(slot)} came, and this schedule lets the newest run"
        going_on.ask_to_stop(others.running, reason)
    if others.waiting is None:
        return
    ExecutionLog.objects.filter(pk=others.waiting, status=Status.QUEUED).update(
        status=Status.SKIPPED_OVERLAP,
        started_at=now,
        finished_at=now,
        error_message="a later slot came before it could start",
    )


def _note_run(job_id: str, now: datetime) -> None:
    JobConfig.objects.filter(job_id=job_id).update(last_run_at=now)


def has_slot(config: JobConfig, slot: datetime) -> bool:
    """Whether the row, as it is now, fires at that moment."""
    try:
        return config.enabled and trigger_of(config).is_slot(slot)
    except InvalidCron:
        return False


def _advance(job_id: str, slot: datetime) -> None:
    behind = Q(last_slot__isnull=True) | Q(last_slot__lt=slot)
    JobConfig.objects.filter(behind, job_id=job_id).update(last_slot=slot)
