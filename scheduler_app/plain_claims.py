"""Claims of many slots in one transaction, for the instant at which a thousand schedules are due.

Only the plain case is decided here: one slot of a job that has nothing open, and whose policies let
it start. All else is left to `claims`, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from scheduler_app import policies
from scheduler_app.calendars import RunDay, calendars
from scheduler_app.claims import Owner, has_slot
from scheduler_app.cron import zone
from scheduler_app.locks import lock_jobs
from scheduler_app.models import OPEN_STATUSES, Cause, ExecutionLog, JobConfig, Status
from scheduler_app.policies import Open

_NOTE = """
    UPDATE scheduler_job_config AS config
    SET last_run_at = %s, last_slot = greatest(config.last_slot, claimed.slot)
    FROM unnest(%s::text[], %s::timestamptz[]) AS claimed (job_id, slot)
    WHERE config.job_id = claimed.job_id
"""


def claim_plain(slots: Mapping[str, datetime], owner: Owner) -> list[ExecutionLog]:
    """Claim attempt 1 of one slot of each job; the executions that are RUNNING for the owner now.

    Of a job that is not among them nothing was decided.

    Raises:
        LeaseLost: another process leads now; nothing was claimed.
        django.db.Error: the database is away; the same slots may be claimed again.
    """
    with transaction.atomic():
        owner.hold()
        lock_jobs(slots)
        now = timezone.now()
        claimed = _startable(slots, now)
        for execution in claimed:
            execution.process_id, execution.fence = owner.process_id, owner.fence
        ExecutionLog.objects.bulk_create(claimed)
        with connection.cursor() as cursor:
            job_ids = [execution.job_id for execution in claimed]
            cursor.execute(_NOTE, [now, job_ids, [slots[job_id] for job_id in job_ids]])
    return claimed


def _startable(slots: Mapping[str, datetime], now: datetime) -> list[ExecutionLog]:
    busy = set(
        ExecutionLog.objects.filter(
            Q(status__in=OPEN_STATUSES) | Q(scheduled_for__in=set(slots.values()), attempt=1),
            job_id__in=list(slots),
        ).values_list("job_id", flat=True)
    )
    # Schedules share their calendars and days, and a calendar may lie in the database.
    run_day = cache(calendars.on)
    free = [job_id for job_id in slots if job_id not in busy]
    made = []
    for config in JobConfig.objects.filter(job_id__in=free):
        slot = slots[config.job_id]
        if has_slot(config, slot):
            day: RunDay = run_day(config.run_calendar, _day(config, slot))
            if policies.judge_slot(config, slot, now, day, Open()).status == Status.RUNNING:
                made.append(_execution(config, slot, now, day))
    return made


def _execution(config: JobConfig, slot: datetime, now: datetime, day: RunDay) -> ExecutionLog:
    execution = ExecutionLog(
        job_id=config.job_id,
        scheduled_for=slot,
        status=Status.RUNNING,
        caused_by=Cause.SCHEDULE,
        job_kwargs=config.job_kwargs,
        started_at=now,
    )
    execution.doubt, execution.in_own_process = day.doubt, config.runs_in_subprocess
    return execution


def _day(config: JobConfig, slot: datetime) -> date:
    return slot.astimezone(zone(config.timezone)).date()
