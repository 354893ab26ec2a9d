"""Claims of many slots in one transaction, for the instant at which a thousand schedules are due.

Only the plain case is decided here: one slot of a job that has nothing open, and whose policies let
it start. All else is left to `claims`, one by one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache

from django.db import transaction
from django.utils import timezone

from scheduler_app import policies
from scheduler_app.calendars import RunDay, calendars
from scheduler_app.claims import Owner, has_slot
from scheduler_app.cron import zone
from scheduler_app.locks import lock_jobs
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.policies import Open

_CLAIM = """
    WITH claimed AS (
        INSERT INTO scheduler_execution_log AS execution (job_id, scheduled_for, attempt, status,
            caused_by, process_id, fence, job_kwargs, created_at, started_at,
            triggered_by, error_message, traceback, log)
        SELECT due.job_id, due.slot, 1, 'RUNNING', 'schedule', %(process)s, %(fence)s,
            due.job_kwargs, %(now)s, %(now)s, '', '', '', ''
        FROM jsonb_to_recordset(%(due)s::jsonb)
            AS due (job_id text, slot timestamptz, job_kwargs jsonb)
        WHERE NOT EXISTS (SELECT FROM scheduler_execution_log AS other
            WHERE other.job_id = due.job_id AND other.status IN ('QUEUED', 'RUNNING'))
        ON CONFLICT (job_id, scheduled_for, attempt) DO NOTHING
        RETURNING *
    ), noted AS (
        UPDATE scheduler_job_config AS config SET last_run_at = claimed.started_at,
            last_slot = greatest(config.last_slot, claimed.scheduled_for)
        FROM claimed WHERE config.job_id = claimed.job_id
    )
    SELECT * FROM claimed
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
        startable = {config.job_id: (config, day) for config, day in _startable(slots, now)}
        due = [
            {"job_id": id, "slot": slots[id].isoformat(), "job_kwargs": config.job_kwargs}
            for id, (config, _day) in startable.items()
        ]
        given = {"process": owner.process_id, "fence": owner.fence, "now": now}
        claimed = list(ExecutionLog.objects.raw(_CLAIM, given | {"due": json.dumps(due)}))
    for execution in claimed:
        config, day = startable[execution.job_id]
        execution.doubt, execution.in_own_process = day.doubt, config.runs_in_subprocess
    return claimed


def _startable(slots: Mapping[str, datetime], now: datetime) -> list[tuple[JobConfig, RunDay]]:
    """The schedules that let their slot start, if nothing of theirs is open."""
    # Schedules share their calendars and days, and a calendar may lie in the database.
    run_day = cache(calendars.on)
    found = []
    for config in JobConfig.objects.filter(job_id__in=list(slots)):
        slot = slots[config.job_id]
        if has_slot(config, slot):
            day: RunDay = run_day(config.run_calendar, _day(config, slot))
            if policies.judge_slot(config, slot, now, day, Open()).status == Status.RUNNING:
                found.append((config, day))
    return found


def _day(config: JobConfig, slot: datetime) -> date:
    return slot.astimezone(zone(config.timezone)).date()
