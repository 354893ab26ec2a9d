"""The rows of slots that do not run: one each, with the reason, and one for all where they are many."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler_app.models import Cause, ExecutionLog, Status
from scheduler_app.policies import utc

logger = logging.getLogger(__name__)

ROWS_AT_MOST = 100


@dataclass(frozen=True)
class LeftOut:
    """A slot that does not run, and why."""

    slot: datetime
    status: Status
    reason: str


def record(job_id: str, row: LeftOut, now: datetime) -> None:
    """Leave the row of a slot that came due. Under the lock of the job.

    A hundred slots in a row that are left out alike leave a row each; what comes after stands
    together in one more.
    """
    logger.info(
        "action=left_out job_id=%s slot=%s status=%s: %s", job_id, row.slot, row.status, row.reason
    )
    newest = (
        ExecutionLog.objects.filter(job_id=job_id)
        .order_by("-id")
        .only("scheduled_for", "status", "error_message", "result")
    )
    last = newest.first()
    if last is not None and _alike(last, row) and isinstance(last.result, dict):
        _count_in(last, row, now)
        return
    made = _made(job_id, row, now)
    if len(alike := newest[:ROWS_AT_MOST]) == ROWS_AT_MOST and all(
        _alike(each, row) for each in alike
    ):
        made.result = {"slots": 1}
    made.save(force_insert=True)


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


def _alike(execution: ExecutionLog, row: LeftOut) -> bool:
    return execution.status == row.status and execution.error_message.endswith(row.reason)


def _count_in(last: ExecutionLog, row: LeftOut, now: datetime) -> None:
    """Let the last row stand for this slot too."""
    said: Any = last.result
    slots = int(said["slots"]) + 1
    last.result = {"slots": slots, "last": row.slot.isoformat()}
    last.error_message = (
        f"{slots:,} slots from {utc(last.scheduled_for)} to {utc(row.slot)}: {row.reason}"
    )
    last.finished_at = now
    last.save(update_fields=["result", "error_message", "finished_at"])
