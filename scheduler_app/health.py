"""Which scheduler is active, which stand by, what is loaded? Asked by API, `/healthz` and admin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef, Value
from django.db.models.functions import Now

from scheduler_app.models import Role, ScheduleRevision, SchedulerLease, SchedulerProcess

ALIVE_WITHIN = timedelta(seconds=10)
LISTED_AT_MOST = 20


@dataclass(frozen=True)
class ProcessName:
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


@dataclass(frozen=True)
class SchedulerStatus:
    """`active` holds a valid lease; `standbys` beat and would take it over.

    Without an active process, heartbeat and revision are those of the one that beat last.
    """

    active: ProcessName | None
    heartbeat_age_seconds: float | None
    revision_wanted: int
    revision_applied: int | None
    next_runs: list[dict[str, str]] = field(default_factory=list)
    standbys: list[ProcessName] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Whether schedules fire now, or will within seconds."""
        return self.active is not None or bool(self.standbys)


def scheduler_status(now: datetime | None = None) -> SchedulerStatus:
    """The state as the database has it; ages by the database's clock unless `now` is given."""
    wanted = ScheduleRevision.objects.values_list("value", flat=True).first() or 0
    clock = ExpressionWrapper(Now() if now is None else Value(now), output_field=DateTimeField())
    lease = SchedulerLease.objects.filter(process=OuterRef("pk"), expires_at__gt=clock)
    processes = list(
        SchedulerProcess.objects.filter(role=Role.SCHEDULER, stopped_at__isnull=True)
        .annotate(asked_at=clock, leads=Exists(lease))
        .order_by("-leads", "-heartbeat_at")[:LISTED_AT_MOST]
    )
    if not processes:
        return SchedulerStatus(None, None, wanted, None)
    first = processes[0]
    alive = [each for each in processes if each.asked_at - each.heartbeat_at < ALIVE_WITHIN]
    return SchedulerStatus(
        active=_name(first) if first.leads else None,
        heartbeat_age_seconds=max(
            0.0, round((first.asked_at - first.heartbeat_at).total_seconds(), 3)
        ),
        revision_wanted=wanted,
        revision_applied=first.revision_applied,
        next_runs=first.next_runs if first.leads else [],
        standbys=[_name(each) for each in alive if not each.leads],
    )


def _name(process: SchedulerProcess) -> ProcessName:
    return ProcessName(process.host, process.pid)
