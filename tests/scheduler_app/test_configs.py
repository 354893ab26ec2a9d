"""Schedules are changed in one place, and nothing unusable gets through it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone as clock

from scheduler_app import configs
from scheduler_app.errors import InvalidSchedule, NotScheduled, UnknownJob
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status, Trigger
from scheduler_app.registry import JobRegistry
from tests.factories import ExecutionLogFactory, JobConfigFactory

pytestmark = pytest.mark.django_db


def errors_of(call: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(InvalidSchedule) as caught:
        call()
    return caught.value.errors


def test_it_schedules_a_job_that_had_no_schedule(jobs: JobRegistry) -> None:
    config = configs.schedule_cron("copy_files", " 0  18 * * 1-5", jobs=jobs)
    config.refresh_from_db()
    assert (config.cron_expression, config.timezone) == ("0 18 * * 1-5", "Asia/Shanghai")
    assert (config.job_name, config.enabled, config.job_kwargs) == ("Copy files", True, {})


def test_it_keeps_what_is_not_given(jobs: JobRegistry) -> None:
    JobConfigFactory(
        job_id="copy_files", job_name="Mine", timezone="UTC", job_kwargs={"count": 2}, enabled=False
    )
    config = configs.schedule_cron("copy_files", "5 5 * * *", jobs=jobs)
    assert (config.job_name, config.timezone, config.job_kwargs) == ("Mine", "UTC", {"count": 2})
    assert config.enabled


def test_it_starts_an_interval(jobs: JobRegistry) -> None:
    config = configs.start_interval("copy_files", 90, {"count": 3}, jobs=jobs)
    assert (config.trigger, config.interval_seconds) == (Trigger.INTERVAL, 90)
    assert config.job_kwargs == {"count": 3}


def test_it_goes_back_from_interval_to_cron(jobs: JobRegistry) -> None:
    configs.start_interval("copy_files", 90, jobs=jobs)
    config = configs.schedule_cron("copy_files", "0 1 * * *", jobs=jobs)
    assert (config.trigger, config.cron_expression) == (Trigger.CRON, "0 1 * * *")


def test_it_stops_a_schedule_and_keeps_its_row(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="copy_files")
    assert not configs.stop("copy_files", jobs=jobs).enabled
    assert not JobConfig.objects.get(job_id="copy_files").enabled


def test_it_stops_a_schedule_whose_job_is_no_longer_known(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="gone")
    assert not configs.stop("gone", jobs=jobs).enabled


def test_stopping_a_job_without_schedule_is_refused(jobs: JobRegistry) -> None:
    with pytest.raises(NotScheduled, match="copy_files has no schedule"):
        configs.stop("copy_files", jobs=jobs)


@pytest.mark.parametrize("job_id", ["nope", "", "\0", 5, None])
def test_every_change_refuses_an_unknown_job(jobs: JobRegistry, job_id: str) -> None:
    for change in (
        lambda: configs.schedule_cron(job_id, "* * * * *", jobs=jobs),
        lambda: configs.start_interval(job_id, 5, jobs=jobs),
        lambda: configs.stop(job_id, jobs=jobs),
        lambda: configs.queue_run(job_id, Cause.API, jobs=jobs),
    ):
        with pytest.raises(UnknownJob, match="The known jobs are"):
            change()


def test_it_says_everything_that_is_wrong_at_once(jobs: JobRegistry) -> None:
    errors = errors_of(
        lambda: configs.schedule_cron(
            "copy_files", "0 0 31 2 *", "Mars/Base", {"stop": 1}, "x" * 201, jobs=jobs
        )
    )
    assert sorted(errors) == ["cron_expression", "job_kwargs", "job_name", "timezone"]


def test_a_refused_change_changes_nothing(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="copy_files", cron_expression="0 1 * * *")
    errors_of(lambda: configs.schedule_cron("copy_files", "bad", jobs=jobs))
    assert JobConfig.objects.get(job_id="copy_files").cron_expression == "0 1 * * *"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron_expression": None}, "cron_expression"),
        ({"cron_expression": ["*"]}, "cron_expression"),
        ({"cron_expression": "x" * 10_000_000}, "cron_expression"),
        ({"cron_expression": "* * * * *", "timezone": 8}, "timezone"),
        ({"cron_expression": "* * * * *", "job_kwargs": []}, "job_kwargs"),
        ({"cron_expression": "* * * * *", "job_kwargs": {"names": ["x" * 10**7]}}, "job_kwargs"),
        ({"cron_expression": "* * * * *", "job_name": "\0"}, "job_name"),
        ({"cron_expression": "* * * * *", "job_id": "nope"}, "job_id"),
        ({"trigger": "interval"}, "interval_seconds"),
        ({"trigger": "interval", "interval_seconds": 0}, "interval_seconds"),
        ({"trigger": "never"}, "trigger"),
    ],
)
def test_validate_names_the_field(jobs: JobRegistry, fields: dict[str, object], field: str) -> None:
    errors = errors_of(lambda: configs.validate({"job_id": "copy_files", **fields}, jobs))
    assert list(errors) == [field]
    assert errors[field].endswith(".")
    assert len(errors[field]) < 300


def test_a_queued_run_takes_the_arguments_of_the_schedule(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="copy_files", job_kwargs={"count": 7})
    execution, created = configs.queue_run("copy_files", Cause.MANUAL, "ann", jobs=jobs)
    execution.refresh_from_db()
    assert created
    assert (execution.status, execution.caused_by) == (Status.QUEUED, Cause.MANUAL)
    assert (execution.triggered_by, execution.job_kwargs) == ("ann", {"count": 7})


def test_a_queued_run_takes_arguments_of_its_own(jobs: JobRegistry) -> None:
    execution, _created = configs.queue_run("copy_files", Cause.API, "", {"count": 2}, jobs=jobs)
    assert execution.job_kwargs == {"count": 2}


def test_one_key_queues_one_run(jobs: JobRegistry) -> None:
    first, created = configs.queue_run("fails", Cause.API, idempotency_key="k", jobs=jobs)
    second, again = configs.queue_run("fails", Cause.API, idempotency_key="k", jobs=jobs)
    assert (first.pk, created, again) == (second.pk, True, False)


def test_one_key_of_two_jobs_queues_two_runs(jobs: JobRegistry) -> None:
    first, _created = configs.queue_run("fails", Cause.API, idempotency_key="k", jobs=jobs)
    second, created = configs.queue_run("copy_files", Cause.API, idempotency_key="k", jobs=jobs)
    assert created
    assert first.pk != second.pk


def test_two_runs_queued_in_the_same_instant_are_two(jobs: JobRegistry) -> None:
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    for _ in range(2):
        configs.queue_run("fails", Cause.MANUAL, now=now, jobs=jobs)
    assert ExecutionLog.objects.filter(job_id="fails").count() == 2


def test_a_queued_run_never_takes_the_place_of_a_slot(jobs: JobRegistry) -> None:
    now = datetime(2026, 3, 2, 9, 59, 59, 999_999, tzinfo=UTC)
    execution, _created = configs.queue_run("fails", Cause.MANUAL, now=now, jobs=jobs)
    assert execution.scheduled_for.microsecond != 0


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"job_kwargs": {"stop": 1}}, "job_kwargs"),
        ({"job_kwargs": [1]}, "job_kwargs"),
        ({"idempotency_key": "x" * 256}, "idempotency_key"),
        ({"idempotency_key": "\0"}, "idempotency_key"),
        ({"triggered_by": 5}, "triggered_by"),
    ],
)
def test_a_bad_run_is_not_queued(
    jobs: JobRegistry, arguments: dict[str, object], field: str
) -> None:
    errors = errors_of(
        lambda: configs.queue_run("copy_files", Cause.API, jobs=jobs, **arguments)  # type: ignore[arg-type]
    )
    assert list(errors) == [field]
    assert not ExecutionLog.objects.filter(job_id="copy_files").exists()


def test_a_stop_cancels_the_follow_up_that_waits_and_says_why(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="copy_files")
    later = clock.now() + timedelta(hours=1)
    waiting = {
        job_id: ExecutionLog.objects.queue_follow_up(ExecutionLogFactory(job_id=job_id).pk, later)
        for job_id in ("copy_files", "fails")
    }
    by_hand, _created = configs.queue_run("copy_files", Cause.MANUAL, jobs=jobs)
    configs.stop("copy_files", jobs=jobs)
    for execution in (*waiting.values(), by_hand):
        execution.refresh_from_db()
    closed = waiting["copy_files"]
    assert closed.status == Status.CANCELLED
    assert closed.error_message == "the schedule was stopped before the run went on"
    assert closed.started_at == closed.finished_at is not None
    assert waiting["fails"].status == by_hand.status == Status.QUEUED
