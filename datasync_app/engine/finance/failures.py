"""Companies and periods that could not be synced, on record until they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from datasync_app.datasets.finance import FINA_INDICATOR
from datasync_app.dates import parse_date
from datasync_app.models import CellState, SyncFailureRecord, SyncLedger

# The job that tries them again, whichever met them.
FINANCE_JOB = "sync_incremental_finance"


def note_failure(code: str, error: str, *, now: dt.datetime) -> SyncFailureRecord:
    """Put a company, or a period that was asked for as a whole, on record; or count one more try."""
    record = SyncFailureRecord.objects.filter(
        job_type=FINANCE_JOB, code=code, resolved_at=None
    ).first()
    if record is None:
        return SyncFailureRecord.objects.create(
            job_type=FINANCE_JOB,
            code=code,
            error_message=error,
            max_retries=settings.SYNC_FAILURE_MAX_RETRIES,
            last_attempt_at=now,
        )
    record.retry_count += 1
    record.error_message = error
    record.last_attempt_at = now
    record.save(update_fields=["retry_count", "error_message", "last_attempt_at"])
    return record


def try_anew(record: SyncFailureRecord, *, now: dt.datetime) -> None:
    """Let the next run try it again, and as often as at first, because a person wants it."""
    with transaction.atomic():
        record.retry_count = 0
        record.save(update_fields=["retry_count"])
        _failed_of(record.code).update(next_attempt_at=now, attempts=0)


def resolve(codes: Iterable[str], *, now: dt.datetime) -> None:
    """Close the records of those of which nothing has failed any more."""
    still_open = SyncFailureRecord.objects.filter(
        job_type=FINANCE_JOB, resolved_at=None, code__in=list(codes)
    )
    for record in still_open:
        if not _failed_of(record.code).exists():
            record.resolved_at = now
            record.save(update_fields=["resolved_at"])


def _failed_of(code: str) -> QuerySet[SyncLedger]:
    """The failed reports of a company, or of a period that was asked for as a whole."""
    failed = SyncLedger.objects.filter(
        dataset=FINA_INDICATOR.name, state__in=[CellState.FAILED, CellState.TRUNCATED]
    )
    if code.isdigit():
        return failed.filter(cell_date=parse_date(code))
    return failed.filter(cell__startswith=f"{code}:")
