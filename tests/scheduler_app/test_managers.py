"""The queries that other code asks for by name."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from tests.factories import MONDAY_SIX, ExecutionLogFactory, JobConfigFactory

pytestmark = pytest.mark.django_db


def test_it_gives_all_enabled_schedules() -> None:
    JobConfig.objects.all().delete()
    JobConfigFactory(job_id="on")
    JobConfigFactory(job_id="off", enabled=False)
    assert [config.job_id for config in JobConfig.objects.get_all_enabled()] == ["on"]


def test_it_finds_a_schedule_by_job_id() -> None:
    JobConfigFactory(job_id="one")
    found = JobConfig.objects.get_by_job_id("one")
    assert found is not None
    assert found.job_id == "one"


def test_it_finds_nothing_for_an_id_without_schedule() -> None:
    assert JobConfig.objects.get_by_job_id("nope") is None


def test_upsert_creates_a_schedule() -> None:
    JobConfig.objects.upsert("new", cron_expression="0 1 * * *")
    assert JobConfig.objects.get(job_id="new").cron_expression == "0 1 * * *"


def test_upsert_changes_the_named_fields_alone() -> None:
    JobConfigFactory(job_id="one", timezone="UTC")
    config = JobConfig.objects.upsert("one", cron_expression="0 1 * * *")
    assert (config.cron_expression, config.timezone) == ("0 1 * * *", "UTC")


def test_create_fills_in_the_slot() -> None:
    execution = ExecutionLog.objects.create(
        job_id="one", status=Status.RUNNING, started_at=MONDAY_SIX
    )
    assert execution.scheduled_for == MONDAY_SIX


def test_update_changes_one_execution_by_id() -> None:
    execution, other = ExecutionLogFactory(), ExecutionLogFactory()
    assert ExecutionLog.objects.update(execution.pk, status=Status.FAILED) == 1
    execution.refresh_from_db()
    other.refresh_from_db()
    assert (execution.status, other.status) == (Status.FAILED, Status.SUCCESS)


def test_recent_executions_come_newest_first_and_limited() -> None:
    made = [
        ExecutionLogFactory(job_id="one", scheduled_for=MONDAY_SIX + timedelta(days=day))
        for day in range(4)
    ]
    ExecutionLogFactory(job_id="two")
    recent = ExecutionLog.objects.get_recent_by_job_id("one", limit=3)
    assert list(recent) == made[:0:-1]


def test_recent_executions_are_a_hundred_at_most() -> None:
    ExecutionLog.objects.bulk_create(
        ExecutionLogFactory.build(job_id="one", attempt=attempt) for attempt in range(1, 103)
    )
    assert len(ExecutionLog.objects.get_recent_by_job_id("one", limit=1000)) == 100


SEVEN = MONDAY_SIX + timedelta(hours=1)
EIGHT = MONDAY_SIX + timedelta(hours=2)


def test_a_follow_up_is_queued_at_its_time_with_the_same_arguments() -> None:
    parked = ExecutionLogFactory(job_id="one", job_kwargs={"days": 3})
    follow_up = ExecutionLog.objects.queue_follow_up(parked.pk, SEVEN)
    follow_up.refresh_from_db()
    assert (follow_up.status, follow_up.caused_by) == (Status.QUEUED, Cause.FOLLOW_UP)
    assert follow_up.job_kwargs == {"days": 3}
    assert follow_up.started_at is None
    assert SEVEN < follow_up.scheduled_for < SEVEN + timedelta(seconds=1)


@pytest.mark.parametrize("moments", [(SEVEN, EIGHT), (EIGHT, SEVEN)])
def test_a_job_has_one_follow_up_and_the_earlier_moment_counts(moments: list[datetime]) -> None:
    parked = ExecutionLogFactory(job_id="one")
    for moment in moments:
        ExecutionLog.objects.queue_follow_up(parked.pk, moment)
    follow_up = ExecutionLog.objects.get(job_id="one", status=Status.QUEUED)
    assert follow_up.scheduled_for.replace(microsecond=0) == SEVEN


def test_two_jobs_have_a_follow_up_each() -> None:
    for job_id in ("one", "two"):
        ExecutionLog.objects.queue_follow_up(ExecutionLogFactory(job_id=job_id).pk, SEVEN)
    assert ExecutionLog.objects.filter(caused_by=Cause.FOLLOW_UP).count() == 2


def test_a_follow_up_that_runs_may_ask_for_another() -> None:
    running = ExecutionLogFactory(running=True, job_id="one", caused_by=Cause.FOLLOW_UP)
    follow_up = ExecutionLog.objects.queue_follow_up(running.pk, SEVEN)
    assert follow_up.pk != running.pk


def test_an_earlier_moment_that_another_run_has_taken_is_passed_by() -> None:
    parked = ExecutionLogFactory(job_id="one")
    ExecutionLogFactory(job_id="one", scheduled_for=SEVEN + timedelta(microseconds=1))
    waiting = ExecutionLog.objects.queue_follow_up(parked.pk, EIGHT)
    assert ExecutionLog.objects.queue_follow_up(parked.pk, SEVEN).pk == waiting.pk
    waiting.refresh_from_db()
    assert waiting.scheduled_for == SEVEN + timedelta(microseconds=2)
