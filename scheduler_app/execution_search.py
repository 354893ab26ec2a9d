"""Find executions by what is typed in one box, by an index each; a long history costs nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from scheduler_app.models import ExecutionLog, Status

# An error is looked for among so many of the newest failures: no index finds words within.
FAILURES_SEARCHED = 5_000
_LARGEST_ID = 2**63 - 1


def find(rows: QuerySet[ExecutionLog], asked: str) -> QuerySet[ExecutionLog]:
    """The executions of that number, day (YYYY-MM-DD or YYYYMMDD, in the time zone of the settings),
    job or person; or, where it is none of these, whose error holds the words."""
    text = asked.replace("\0", "").strip()
    if not text:
        return rows
    if (day := _day(text)) is not None:
        return rows.filter(scheduled_for__gte=day, scheduled_for__lt=day + timedelta(days=1))
    if text.isascii() and text.isdigit() and int(text) <= _LARGEST_ID:
        return rows.filter(pk=int(text))
    named = Q(job_id=text) | Q(triggered_by=text)
    if ExecutionLog.objects.filter(named).exists():
        return rows.filter(named)
    failures = ExecutionLog.objects.filter(status=Status.FAILED).order_by("-id")
    newest = failures.values("pk")[:FAILURES_SEARCHED]
    return rows.filter(pk__in=newest, error_message__icontains=text)


def _day(text: str) -> datetime | None:
    for shape in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return timezone.make_aware(datetime.strptime(text, shape))
        except (ValueError, OverflowError):
            continue
    return None
