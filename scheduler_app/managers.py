"""The queries on schedules and executions that other code asks for by name."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone

if TYPE_CHECKING:
    from scheduler_app.models import ExecutionLog, JobConfig

RECENT_AT_MOST = 100


class JobConfigManager(models.Manager["JobConfig"]):
    def get_all_enabled(self) -> models.QuerySet[JobConfig]:
        return self.filter(enabled=True).order_by("job_id")

    def get_by_job_id(self, job_id: str) -> JobConfig | None:
        return self.filter(job_id=job_id).first()

    def upsert(self, job_id: str, **fields: Any) -> JobConfig:
        """Create the schedule of `job_id` or change the named fields of the one it has."""
        config, _created = self.update_or_create(job_id=job_id, defaults=fields)
        return config


class ExecutionLogManager(models.Manager["ExecutionLog"]):
    def create(self, **fields: Any) -> ExecutionLog:
        """Insert one execution; its slot is now and its cause a person, unless told otherwise."""
        fields.setdefault("scheduled_for", fields.get("started_at") or timezone.now())
        fields.setdefault("caused_by", "manual")
        return super().create(**fields)

    def update(self, id: int, **fields: Any) -> int:  # type: ignore[override]
        """Change the named fields of one execution; the number of rows it met, 0 or 1."""
        return self.filter(id=id).update(**fields)

    def queue_follow_up(self, after: int, at: datetime) -> ExecutionLog:
        """Queue another run of an execution's job, with the same arguments, for `at`.

        A job has at most one follow-up waiting; of two moments the earlier one counts.
        """
        of = self.get(pk=after)
        waiting = self.filter(job_id=of.job_id, status="QUEUED", caused_by="follow_up")
        while True:
            # Schedules fire on whole seconds: a fraction keeps a follow-up from taking a slot.
            at += timedelta(microseconds=1)
            at += timedelta(microseconds=at.microsecond == 0)
            try:
                with transaction.atomic():
                    return self.create(
                        job_id=of.job_id,
                        scheduled_for=at,
                        status="QUEUED",
                        caused_by="follow_up",
                        job_kwargs=of.job_kwargs,
                    )
            except IntegrityError:
                pass
            # Another follow-up waits, or another run has this microsecond: then the next is tried.
            with suppress(IntegrityError):
                with transaction.atomic():
                    waiting.filter(scheduled_for__gt=at).update(scheduled_for=at)
                if (already := waiting.first()) is not None:
                    return already

    def get_recent_by_job_id(self, job_id: str, limit: int = 20) -> models.QuerySet[ExecutionLog]:
        """The newest executions of a job, at most `limit` (1 to 100)."""
        return self.filter(job_id=job_id).order_by("-id")[: max(1, min(limit, RECENT_AT_MOST))]
