"""What became of the executions: which jobs are failing and since when, and the last days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.utils import timezone

from scheduler_app.models import Status

DAYS = 30
LAPS = 20
# Further back than this many runs of a job, its failures are not counted.
LOOKED_AT = 200

# The newest by their start: by id, the database may read the whole history for a job that never ran.
_FAILING = """
    SELECT wanted.job_id, failed.times, failed.since, failed.newest, failed.error
    FROM unnest(%s::text[]) AS wanted (job_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS times, min(finished_at) AS since, max(id) AS newest,
            (array_agg(left(error_message, 300) ORDER BY id DESC))[1] AS error
        FROM (
            SELECT id, status, finished_at, error_message,
                count(*) FILTER (WHERE status = 'SUCCESS') OVER (ORDER BY id DESC) AS successes
            FROM (
                SELECT id, status, finished_at, error_message FROM scheduler_execution_log
                WHERE job_id = wanted.job_id ORDER BY started_at DESC LIMIT %s
            ) AS newest
        ) AS counted
        WHERE successes = 0 AND status = 'FAILED'
    ) AS failed
    WHERE failed.times > 0 ORDER BY failed.since
"""
# The newest runs of each job that took time, among its newest executions: no longer look back.
_LAPS = """
    SELECT wanted.job_id, lap.started_at, lap.duration_ms, lap.status
    FROM unnest(%s::text[]) AS wanted (job_id)
    CROSS JOIN LATERAL (
        SELECT id, started_at, duration_ms, status FROM (
            SELECT id, started_at, duration_ms, status FROM scheduler_execution_log
            WHERE job_id = wanted.job_id ORDER BY started_at DESC LIMIT %s
        ) AS newest
        WHERE status IN ('SUCCESS', 'FAILED') AND duration_ms IS NOT NULL
        ORDER BY id DESC LIMIT %s
    ) AS lap
    ORDER BY wanted.job_id, lap.id
"""
_BY_DAY = """
    SELECT (execution.started_at AT TIME ZONE %s)::date, execution.status, count(*)
    FROM unnest(%s::text[]) AS wanted (job_id)
    JOIN scheduler_execution_log AS execution ON execution.job_id = wanted.job_id
        AND execution.started_at >= %s
    GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Failing:
    """A job that has not succeeded since it failed at `since`: how often, and its newest error."""

    job_id: str
    times: int
    since: datetime
    newest: int
    error: str


@dataclass(frozen=True)
class Lap:
    """A run that came to an end by itself, and how long it took."""

    started_at: datetime
    duration_ms: int
    status: str


@dataclass(frozen=True)
class Day:
    """The runs that started on a day: how many succeeded, failed, or did not run to an end."""

    date: date
    succeeded: int
    failed: int
    others: int


def failing(job_ids: Iterable[str]) -> list[Failing]:
    """The jobs whose newest finished runs failed, those that failed first, first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILING, [list(job_ids), LOOKED_AT])
        return [Failing(*row) for row in cursor.fetchall()]


def laps(job_ids: Iterable[str]) -> dict[str, list[Lap]]:
    """The last 20 runs of each job, oldest first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_LAPS, [list(job_ids), LOOKED_AT, LAPS])
        found: dict[str, list[Lap]] = {}
        for job_id, *lap in cursor.fetchall():
            found.setdefault(job_id, []).append(Lap(*lap))
    return found


def last_days(job_ids: Iterable[str], now: datetime) -> list[Day]:
    """The last 30 days, today the last, in the time zone of the settings. One query."""
    local = timezone.localtime(now)
    first = local.date() - timedelta(days=DAYS - 1)
    since = datetime.combine(first, datetime.min.time(), tzinfo=local.tzinfo)
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, [str(timezone.get_default_timezone()), list(job_ids), since])
        counts = {(day, status): count for day, status, count in cursor.fetchall()}
    days = []
    for ahead in range(DAYS):
        day = first + timedelta(days=ahead)
        of_day = {status: count for (date, status), count in counts.items() if date == day}
        succeeded, failed = of_day.pop(Status.SUCCESS, 0), of_day.pop(Status.FAILED, 0)
        days.append(Day(day, succeeded, failed, sum(of_day.values())))
    return days
