"""Factories for the rows of the scheduler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import factory
from django.utils import timezone

from scheduler_app.models import (
    Cause,
    ExecutionLog,
    JobConfig,
    Role,
    SchedulerLease,
    SchedulerProcess,
    Status,
    Trigger,
)

MONDAY_SIX = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class JobConfigFactory(factory.django.DjangoModelFactory[JobConfig]):
    class Meta:
        model = JobConfig

    job_id = factory.Sequence(lambda number: f"job_{number}")
    job_name = factory.LazyAttribute(lambda config: config.job_id.replace("_", " ").capitalize())
    trigger = Trigger.CRON
    cron_expression = "0 18 * * *"
    timezone = "Asia/Shanghai"
    enabled = True
    job_kwargs = factory.LazyFunction(dict)
    # A test that wants a second attempt says so.
    max_retries = 0

    class Params:
        interval = factory.Trait(
            trigger=Trigger.INTERVAL, cron_expression="", interval_seconds=60, timezone="UTC"
        )


class SchedulerProcessFactory(factory.django.DjangoModelFactory[SchedulerProcess]):
    class Meta:
        model = SchedulerProcess

    host = "machine"
    pid = factory.Sequence(lambda number: 1000 + number)
    role = Role.SCHEDULER
    started_at = factory.LazyFunction(timezone.now)
    heartbeat_at = factory.LazyFunction(timezone.now)


class LeaseFactory(factory.django.DjangoModelFactory[SchedulerLease]):
    """The lease, held by a process that beats now."""

    class Meta:
        model = SchedulerLease
        django_get_or_create = ["id"]

    id = 1
    fence = 1
    process = factory.SubFactory(SchedulerProcessFactory)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=5))


class ExecutionLogFactory(factory.django.DjangoModelFactory[ExecutionLog]):
    class Meta:
        model = ExecutionLog

    job_id = factory.Sequence(lambda number: f"job_{number}")
    scheduled_for = MONDAY_SIX
    status = Status.SUCCESS
    caused_by = Cause.SCHEDULE
    started_at = factory.LazyAttribute(lambda execution: execution.scheduled_for)
    finished_at = factory.LazyAttribute(lambda execution: execution.started_at)
    duration_ms = 0

    class Params:
        running = factory.Trait(
            status=Status.RUNNING,
            process=factory.SubFactory(SchedulerProcessFactory),
            finished_at=None,
            duration_ms=None,
        )
        queued = factory.Trait(
            status=Status.QUEUED,
            caused_by=Cause.API,
            started_at=None,
            finished_at=None,
            duration_ms=None,
        )
