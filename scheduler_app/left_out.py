"""The rows of slots that do not run: one each, with the reason, and one for all where they are many."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from scheduler_app.policies import utc

logger = logging.getLogger(__name__)

ROWS_AT_MOST = 100


@dataclass(frozen=True)
class LeftOut:
    """A slot that does not run, and why."""

    slot: datetime
    status: Status
    reason: str


def record(config: JobConfig, row: LeftOut, now: datetime) -> None:
    """Leave the row of a slot that came due. Under the lock of the job.

    A pause leaves a hundred rows; what comes after stands together in one more.
    """
    logger.info(
        "action=left_out job_id=%s slot=%s status=%s: %s",
        config.job_id,
        row.slot,
        row.status,
        row.reason,
    )
    if row.status == Status.SKIPPED_PAUSED and _adds_to_the_last(config, row, now):
        return
    _made(config.job_id, row, now).save(force_insert=True)


def record_all(job_id: str, rows: Sequence[LeftOut], now: datetime) -> None:
    """Leave a row for each slot that has none yet. Under the lock of the job."""
    ExecutionLog.objects.bulk_create(
        [_made(job_id, row, now) for row in rows], ignore_conflicts=True
    )
    logger.warning("action=left_out job_id=%s rows=%s: %s", job_id, len(rows), rows[-1].reason)


def _made(job_id: str, row: LeftOut, now: datetime) -> ExecutionLog:
    return ExecutionLog(
        job_id=job_id,
        scheduled_for=row.slot,
        status=row.status,
        caused_by=Cause.SCHEDULE,
        started_at=now,
        finished_at=now,
        error_message=row.reason,
    )


def _adds_to_the_last(config: JobConfig, row: LeftOut, now: datetime) -> bool:
    """Count a slot in the row that stands for all after the hundredth; False if it is no such."""
    of_this_pause = ExecutionLog.objects.filter(
        job_id=config.job_id, status=Status.SKIPPED_PAUSED, started_at__gte=config.paused_at
    ).order_by("-id")
    if of_this_pause[: ROWS_AT_MOST + 1].count() <= ROWS_AT_MOST:
        return False
    last = of_this_pause[0]
    said = last.result if isinstance(last.result, dict) else {}
    slots = int(said.get("slots", 1)) + 1
    last.result = {"slots": slots, "last": row.slot.isoformat()}
    last.error_message = (
        f"{slots:,} slots from {utc(last.scheduled_for)} to {utc(row.slot)}: {row.reason}"
    )
    last.finished_at = now
    last.save(update_fields=["result", "error_message", "finished_at"])
    return True
