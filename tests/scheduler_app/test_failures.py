"""What a failure entails: another attempt, a pause after too many, or nothing."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from scheduler_app import configs, failures, going_on, recovery
from scheduler_app.claims import Owner, claim_queued
from scheduler_app.errors import InvalidKwargs, RunCancelled, RunTimedOut
from scheduler_app.leadership import Leadership
from scheduler_app.models import (
    Cause,
    ExecutionLog,
    JobConfig,
    Role,
    Status,
)
from scheduler_app.registry import JobRegistry
from scheduler_app.run import Run
from scheduler_app.runner import Runner
from scheduler_app.tracker import ExecutionTracker
from scheduler_app.work import Queued
from tests.factories import (
    MONDAY_SIX,
    ExecutionLogFactory,
    JobConfigFactory,
    LeaseFactory,
    SchedulerProcessFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads(db: None) -> Leadership:
    """The lease in the hands of this process."""
    leadership = Leadership(SchedulerProcessFactory().pk)
    leadership.keep()
    return leadership


def fail(job_id: str = "one", **fields: Any) -> ExecutionLog:
    """An execution that was just closed as FAILED, with what follows."""
    made: ExecutionLog = ExecutionLogFactory(
        job_id=job_id, status=Status.FAILED, started_at=timezone.now(), **fields
    )
    failures.after_failures([made.pk])
    return made


def retries(job_id: str = "one") -> list[ExecutionLog]:
    return list(ExecutionLog.objects.filter(job_id=job_id, caused_by=Cause.RETRY).order_by("id"))


def execute(jobs: JobRegistry, leads: Leadership, job_id: str) -> ExecutionLog:
    queued = ExecutionLogFactory(queued=True, job_id=job_id)
    runner = Runner(jobs, leads)
    for execution in runner.claim(Queued(job_id, queued.pk)):
        runner.execute(execution)
    queued.refresh_from_db()
    found: ExecutionLog = queued
    return found


def test_a_failed_run_leaves_its_next_attempt_with_its_moment(
    jobs: JobRegistry, leads: Leadership
) -> None:
    JobConfigFactory(job_id="fails", max_retries=1, retry_delay_seconds=300)
    failed = execute(jobs, leads, "fails")
    (retry,) = retries("fails")
    assert (retry.status, retry.attempt, retry.scheduled_for) == (
        Status.QUEUED,
        2,
        failed.scheduled_for,
    )
    assert retry.job_kwargs == failed.job_kwargs
    assert retry.not_before is not None
    assert failed.finished_at is not None
    assert abs(retry.not_before - failed.finished_at - timedelta(seconds=300)) < timedelta(
        seconds=5
    )


def test_the_last_attempt_has_no_next() -> None:
    JobConfigFactory(job_id="one", max_retries=2)
    fail(attempt=3)
    assert retries() == []


def test_a_retry_that_fails_waits_longer() -> None:
    JobConfigFactory(job_id="one", max_retries=2, retry_delay_seconds=10, retry_backoff=6)
    fail(attempt=2)
    (retry,) = retries()
    assert retry.not_before is not None
    assert timedelta(seconds=50) < retry.not_before - timezone.now() <= timedelta(seconds=60)


def test_failure_and_retry_land_together_or_not_at_all(leads: Leadership) -> None:
    JobConfigFactory(job_id="one", max_retries=1)
    execution = ExecutionLogFactory(running=True, job_id="one", process_id=leads.process_id)
    with pytest.raises(RuntimeError), transaction.atomic():
        with (
            pytest.raises(ValueError, match="broken"),
            ExecutionTracker("one", execution.pk, process_id=leads.process_id),
        ):
            raise ValueError("broken")
        assert len(retries()) == 1
        raise RuntimeError("the closing is undone")
    execution.refresh_from_db()
    assert (execution.status, retries()) == (Status.RUNNING, [])


def test_a_run_whose_process_is_gone_is_tried_again() -> None:
    JobConfigFactory(job_id="one", max_retries=1)
    gone = SchedulerProcessFactory(heartbeat_at=timezone.now() - timedelta(minutes=1))
    ExecutionLogFactory(running=True, job_id="one", process=gone)
    recovery.close_abandoned(SchedulerProcessFactory().pk, spared=timedelta(0))
    assert [retry.attempt for retry in retries()] == [2]


def test_a_run_of_a_command_is_not_tried_again() -> None:
    JobConfigFactory(job_id="one", max_retries=1, pause_after_failures=1)
    fail(process=SchedulerProcessFactory(role=Role.COMMAND))
    assert retries() == []
    assert JobConfig.objects.get(job_id="one").paused_at is None


def test_a_schedule_that_is_off_retries_nothing() -> None:
    JobConfigFactory(job_id="one", max_retries=1, enabled=False)
    fail()
    assert retries() == []


def test_arguments_that_no_longer_fit_are_not_tried_again(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("refuses", name="Refuses")
    def refuses(run: Run) -> None:
        raise InvalidKwargs("it takes no argument 'stop'")

    JobConfigFactory(job_id="refuses", max_retries=1)
    assert execute(jobs, leads, "refuses").status == Status.FAILED
    assert retries("refuses") == []


def test_a_run_that_asked_for_a_follow_up_is_not_tried_again(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("goes_on", name="Goes on")
    def goes_on(run: Run) -> None:
        run.follow_up(timezone.now() + timedelta(hours=1))
        raise RuntimeError("cells are open")

    JobConfigFactory(job_id="goes_on", max_retries=1)
    execute(jobs, leads, "goes_on")
    assert retries("goes_on") == []
    assert ExecutionLog.objects.filter(job_id="goes_on", caused_by=Cause.FOLLOW_UP).count() == 1


def test_a_run_beyond_its_time_limit_fails_at_its_checkpoint_and_is_tried_again(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("slow", name="Slow")
    def slow(run: Run) -> None:
        long_ago = timezone.now() - timedelta(seconds=61)
        ExecutionLog.objects.update(run.execution_id, started_at=long_ago)
        with pytest.raises(RunTimedOut) as caught:
            run.checkpoint()
        raise caught.value

    JobConfigFactory(job_id="slow", max_retries=1, time_limit_seconds=60)
    execution = execute(jobs, leads, "slow")
    assert (execution.status, execution.error_message) == (
        Status.FAILED,
        "it ran longer than its time limit of 60 s",
    )
    assert len(retries("slow")) == 1


def test_a_run_within_its_time_limit_passes_its_checkpoint(
    jobs: JobRegistry, leads: Leadership
) -> None:
    jobs.register("short", name="Short")(lambda run: run.checkpoint())
    JobConfigFactory(job_id="short", time_limit_seconds=60)
    assert execute(jobs, leads, "short").status == Status.SUCCESS


def test_a_run_that_is_asked_to_stop_ends_at_its_checkpoint_as_cancelled(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("asked", name="Asked")
    def asked(run: Run) -> None:
        going_on.ask_to_stop(run.execution_id, "a newer slot came")
        run.checkpoint()

    JobConfigFactory(job_id="asked", max_retries=1)
    execution = execute(jobs, leads, "asked")
    assert (execution.status, execution.error_message) == (Status.CANCELLED, "a newer slot came")
    assert retries("asked") == []


def stopped_in(jobs: JobRegistry, leads: Leadership, *, max_retries: int) -> ExecutionLog:
    """A run that finds at its checkpoint that its process stops."""
    jobs.register("asks", name="Asks")(lambda run: run.stop.set() or run.checkpoint())
    JobConfigFactory(job_id="asks", max_retries=max_retries, retry_delay_seconds=300)
    return execute(jobs, leads, "asks")


def test_what_a_stop_of_its_process_cut_off_goes_on_at_once_in_the_next(
    jobs: JobRegistry, leads: Leadership
) -> None:
    execution = stopped_in(jobs, leads, max_retries=1)
    assert (execution.status, execution.error_message) == (
        Status.CANCELLED,
        "the scheduler was stopped",
    )
    (retry,) = retries("asks")
    assert (retry.attempt, retry.scheduled_for) == (2, execution.scheduled_for)
    assert retry.not_before is not None and retry.not_before <= timezone.now()


def test_a_schedule_without_retries_is_not_begun_anew_after_a_stop(
    jobs: JobRegistry, leads: Leadership
) -> None:
    assert stopped_in(jobs, leads, max_retries=0).status == Status.CANCELLED
    assert retries("asks") == []


def test_a_run_that_its_process_closes_as_it_stops_goes_on_in_the_next() -> None:
    JobConfigFactory(job_id="one", max_retries=1)
    JobConfigFactory(job_id="two", max_retries=1)
    process = SchedulerProcessFactory()
    ExecutionLogFactory(running=True, job_id="one", process=process)
    killed = ExecutionLogFactory(running=True, job_id="two", process=SchedulerProcessFactory())
    recovery.close_own(process.pk, "the scheduler was stopped")
    recovery.close_for(killed, Status.CANCELLED, "it was killed", by_stop=True)
    assert [len(retries(job_id)) for job_id in ("one", "two")] == [1, 1]


def test_nothing_follows_a_run_whose_schedule_was_stopped_meanwhile(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("stopped", name="Stopped")
    def stopped(run: Run) -> None:
        configs.stop("stopped", jobs=jobs)
        run.checkpoint()
        run.follow_up(timezone.now() + timedelta(hours=1))
        raise RunCancelled("the quota is spent")

    JobConfigFactory(job_id="stopped", max_retries=1)
    execution = execute(jobs, leads, "stopped")
    assert execution.error_message == "the quota is spent"
    assert ExecutionLog.objects.filter(job_id="stopped").count() == 1


def test_no_retry_follows_a_run_whose_schedule_was_stopped_and_started_meanwhile(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("stopped", name="Stopped")
    def stopped(run: Run) -> None:
        configs.stop("stopped", jobs=jobs)
        configs.schedule_cron("stopped", "0 18 * * *", jobs=jobs)
        raise RuntimeError("broken")

    JobConfigFactory(job_id="stopped", max_retries=1)
    execute(jobs, leads, "stopped")
    assert retries("stopped") == []


@pytest.mark.django_db(transaction=True)
def test_a_follow_up_that_comes_with_the_stop_is_not_queued() -> None:
    JobConfigFactory(job_id="one")
    execution = ExecutionLogFactory(running=True, job_id="one")

    def park() -> None:
        going_on.follow_up(execution.pk, timezone.now() + timedelta(hours=1))
        connections.close_all()

    parks = threading.Thread(target=park)
    with transaction.atomic():
        going_on.end_waiting("one", "the schedule was stopped")
        parks.start()
    parks.join()
    assert list(ExecutionLog.objects.filter(job_id="one")) == [execution]


def test_so_many_failures_in_a_row_pause_the_schedule() -> None:
    JobConfigFactory(job_id="one", pause_after_failures=2)
    fail(scheduled_for=MONDAY_SIX - timedelta(days=1))
    assert JobConfig.objects.get(job_id="one").paused_at is None
    fail()
    config = JobConfig.objects.get(job_id="one")
    assert config.paused_at is not None
    assert (config.paused_by, config.paused_reason, config.paused_until) == (
        "StockSync",
        "it failed 2 times in a row",
        None,
    )


def test_attempts_at_one_slot_count_as_one_failure() -> None:
    JobConfigFactory(job_id="one", pause_after_failures=2, max_retries=1)
    fail()
    assert JobConfig.objects.get(job_id="one").paused_at is None
    fail(attempt=3)
    assert JobConfig.objects.get(job_id="one").paused_at is None


def test_failures_before_a_resume_do_not_count() -> None:
    config = JobConfigFactory(job_id="one", pause_after_failures=2)
    fail(scheduled_for=MONDAY_SIX - timedelta(days=1))
    JobConfig.objects.filter(pk=config.pk).update(resumed_at=timezone.now())
    fail()
    assert JobConfig.objects.get(job_id="one").paused_at is None


def test_a_retry_outlives_the_process_that_queued_it() -> None:
    JobConfigFactory(job_id="one", max_retries=1, retry_delay_seconds=0)
    fail()
    (retry,) = retries()
    lease = LeaseFactory()
    assert claim_queued(retry.pk, "one", Owner(lease.process_id, lease.fence)) is not None


def test_what_goes_wrong_after_a_failure_does_not_undo_it(
    monkeypatch: pytest.MonkeyPatch, leads: Leadership, caplog: pytest.LogCaptureFixture
) -> None:
    JobConfigFactory(job_id="one", max_retries=1)
    monkeypatch.setattr(failures, "_queue_next", lambda *args: 1 / 0)
    execution = ExecutionLogFactory(running=True, job_id="one", process_id=leads.process_id)
    with (
        pytest.raises(ValueError, match="broken"),
        ExecutionTracker("one", execution.pk, process_id=leads.process_id),
    ):
        raise ValueError("broken")
    execution.refresh_from_db()
    assert execution.status == Status.FAILED
    assert f"action=after_end execution={execution.pk}" in caplog.text
