"""Is a scheduler alive, and what has it loaded? Asked by the API, `/healthz` and the admin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.functions import Now

from scheduler_app.models import Role, ScheduleRevision, SchedulerProcess

ALIVE_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True)
class ActiveProcess:
    host: str
    pid: int


@dataclass(frozen=True)
class SchedulerStatus:
    """The process with the freshest heartbeat; it is `active` while it beats."""

    active: ActiveProcess | None
    heartbeat_age_seconds: float | None
    revision_wanted: int
    revision_applied: int | None
    next_runs: list[dict[str, str]] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        return self.active is not None


def scheduler_status(now: datetime | None = None) -> SchedulerStatus:
    """The state as the database has it; ages by the database's clock unless `now` is given."""
    wanted = ScheduleRevision.objects.values_list("value", flat=True).first() or 0
    clock = Now() if now is None else Value(now)
    process = (
        SchedulerProcess.objects.filter(role=Role.SCHEDULER, stopped_at__isnull=True)
        .annotate(asked_at=ExpressionWrapper(clock, output_field=DateTimeField()))
        .order_by("-heartbeat_at")
        .first()
    )
    if process is None:
        return SchedulerStatus(None, None, wanted, None)
    age = process.asked_at - process.heartbeat_at
    alive = age < ALIVE_WITHIN
    return SchedulerStatus(
        active=ActiveProcess(process.host, process.pid) if alive else None,
        heartbeat_age_seconds=max(0.0, round(age.total_seconds(), 3)),
        revision_wanted=wanted,
        revision_applied=process.revision_applied,
        next_runs=process.next_runs if alive else [],
    )
