"""Jobs as people look at them: what is registered, how it is scheduled, when it fires, how it went.

Read by the API and the admin. The number of queries does not grow with the number of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext

from scheduler_app.errors import InvalidCron
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from scheduler_app.registry import JobRegistry, RegisteredJob, registry
from scheduler_app.upcoming import Upcoming, upcoming

NEXT_RUNS = 6


@dataclass(frozen=True)
class JobOverview:
    """One job. `job` is None for a schedule whose job this version does not know; `config` is
    not stored and off for a job that was never scheduled; `goes_on_at` is when a run that ended
    before its work was done goes on by itself."""

    job_id: str
    job: RegisteredJob | None
    config: JobConfig
    upcoming: Upcoming
    schedule_error: str
    last_execution: ExecutionLog | None
    goes_on_at: datetime | None = None

    @property
    def next_runs(self) -> tuple[datetime, ...]:
        return self.upcoming.runs

    @property
    def name(self) -> str:
        if self.config.job_name or self.job is None:
            return str(self.config)
        return gettext(self.job.name)


def overview(
    job_ids: Iterable[str] | None = None, *, count: int = NEXT_RUNS, jobs: JobRegistry = registry
) -> list[JobOverview]:
    """The jobs of these ids, or all that are registered or scheduled, by id."""
    configs = JobConfig.objects.all()
    if job_ids is not None:
        job_ids = list(job_ids)
        configs = configs.filter(job_id__in=job_ids)
    by_id = {config.job_id: config for config in configs}
    known = {job.job_id: job for job in jobs if job_ids is None or job.job_id in job_ids}
    last = last_executions([*by_id.keys() | known.keys()])
    later = going_on()
    rows = []
    for job_id in sorted(by_id.keys() | known.keys()):
        job = known.get(job_id)
        config = by_id.get(job_id) or unscheduled(job_id, job)
        coming, error = upcoming_or_error(config, count)
        row = JobOverview(job_id, job, config, coming, error, last.get(job_id), later.get(job_id))
        rows.append(row)
    return rows


def unscheduled(job_id: str, job: RegisteredJob | None) -> JobConfig:
    """The schedule of a job that has none: off, and not stored."""
    return JobConfig(job_id=job_id, job_name=job.name if job else "", enabled=False)


def upcoming_or_error(config: JobConfig, count: int = NEXT_RUNS) -> tuple[Upcoming, str]:
    """The next runs; or none, and the sentence that says why the row cannot fire."""
    try:
        return upcoming(config, count), ""
    except InvalidCron as error:
        return Upcoming(), str(error)


def last_executions(job_ids: Iterable[str]) -> dict[str, ExecutionLog]:
    """The newest execution of each job, found by the index on (job_id, started_at).

    A queued one has not started; NULLs come first in this order, so it counts as the newest. One
    that waits for a later moment does not count.
    """
    newest = ExecutionLog.objects.raw(
        """
        SELECT newest.* FROM unnest(%s::text[]) AS wanted (job_id)
        CROSS JOIN LATERAL (
            SELECT * FROM scheduler_execution_log AS execution
            WHERE execution.job_id = wanted.job_id
                AND NOT (execution.status = 'QUEUED'
                    AND greatest(execution.scheduled_for, execution.not_before) > %s)
            ORDER BY execution.started_at DESC, execution.id DESC LIMIT 1
        ) AS newest
        """,
        [list(job_ids), timezone.now()],
    )
    return {execution.job_id: execution for execution in newest}


def going_on() -> dict[str, datetime]:
    """By job, the moment at which its waiting follow-up or retry starts, the earliest of them."""
    waiting = (
        ExecutionLog.objects.filter(
            status=Status.QUEUED, caused_by__in=[Cause.FOLLOW_UP, Cause.RETRY]
        )
        .annotate(due=Coalesce("not_before", "scheduled_for"))
        .filter(due__gt=timezone.now())
        .order_by("-due")
    )
    return dict(waiting.values_list("job_id", "due"))
