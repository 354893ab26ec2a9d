"""One slot from due to closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from scheduler_app.backlog import GRACE, Backlog
from scheduler_app.errors import LeaseLost, RunCancelled
from scheduler_app.leadership import Leadership
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from scheduler_app.registry import JobRegistry
from scheduler_app.run import Run
from scheduler_app.runner import Runner
from scheduler_app.work import DueSlots, Queued, merged
from tests.factories import ExecutionLogFactory, JobConfigFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads() -> Leadership:
    """The lease in the hands of this process."""
    process = SchedulerProcessFactory()
    leadership = Leadership(process.pk)
    leadership.keep()
    return leadership


def due(*slots: datetime, grace: timedelta = GRACE) -> DueSlots:
    return DueSlots("copy_files", Backlog.of(slots), grace, "no scheduler was running")


def minutes_ago(*minutes: int) -> list[datetime]:
    now = timezone.now().astimezone(UTC).replace(second=0, microsecond=0)
    return [now - timedelta(minutes=minute) for minute in minutes]


def run(jobs: JobRegistry, leads: Leadership, job_id: str, **kwargs: object) -> ExecutionLog:
    queued = ExecutionLogFactory(queued=True, job_id=job_id, job_kwargs=kwargs)
    runner = Runner(jobs, leads)
    for execution in runner.claim(Queued(job_id, queued.pk)):
        runner.execute(execution)
    queued.refresh_from_db()
    found: ExecutionLog = queued
    return found


def test_it_runs_the_job_and_keeps_its_result(jobs: JobRegistry, leads: Leadership) -> None:
    execution = run(jobs, leads, "copy_files", count=3)
    assert (execution.status, execution.result) == (Status.SUCCESS, {"count": 3})
    assert (execution.process_id, execution.fence) == (leads.process_id, leads.fence)


def test_it_notes_the_schedules_last_run(jobs: JobRegistry, leads: Leadership) -> None:
    JobConfigFactory(job_id="copy_files")
    execution = run(jobs, leads, "copy_files")
    config = JobConfig.objects.get(job_id="copy_files")
    assert config.last_run_at == execution.started_at
    assert config.last_slot is None


def test_a_failing_job_leaves_its_error(jobs: JobRegistry, leads: Leadership) -> None:
    execution = run(jobs, leads, "fails")
    assert (execution.status, execution.error_message) == (Status.FAILED, "the disk is full")


def test_arguments_that_no_longer_fit_fail_with_a_sentence(
    jobs: JobRegistry, leads: Leadership
) -> None:
    execution = run(jobs, leads, "copy_files", stop=1)
    assert execution.status == Status.FAILED
    assert execution.error_message.startswith("copy_files takes no argument 'stop'.")


def test_a_job_that_is_no_longer_known_fails_with_a_sentence(
    jobs: JobRegistry, leads: Leadership
) -> None:
    execution = run(jobs, leads, "nope")
    assert execution.status == Status.FAILED
    assert execution.error_message.startswith("There is no job 'nope'.")


def test_a_job_that_exits_the_process_only_fails(jobs: JobRegistry, leads: Leadership) -> None:
    @jobs.register("exits", name="Exits")
    def exits(run: Run) -> None:
        raise SystemExit(3)

    assert run(jobs, leads, "exits").status == Status.FAILED


def test_a_run_that_is_asked_to_stop_is_cancelled(jobs: JobRegistry, leads: Leadership) -> None:
    runner = Runner(jobs, leads)

    @jobs.register("asks", name="Asks")
    def asks(run: Run) -> None:
        runner.stop.set()
        run.checkpoint()

    queued = ExecutionLogFactory(queued=True, job_id="asks")
    for execution in runner.claim(Queued("asks", queued.pk)):
        runner.execute(execution)
    queued.refresh_from_db()
    assert queued.status == Status.CANCELLED
    assert queued.error_message == "the scheduler was stopped"


def test_late_slots_leave_rows_and_the_latest_is_claimed_as_catch_up(
    jobs: JobRegistry, leads: Leadership
) -> None:
    JobConfigFactory(job_id="copy_files", cron_expression="* * * * *")
    slots = minutes_ago(30, 20, 10)
    claimed = Runner(jobs, leads).claim(due(*slots))
    assert [(row.scheduled_for, row.caused_by) for row in claimed] == [(slots[-1], Cause.CATCH_UP)]
    missed = ExecutionLog.objects.filter(status=Status.MISSED, job_id="copy_files")
    assert {row.scheduled_for for row in missed} == set(slots[:-1])
    assert {row.error_message for row in missed} == {"no scheduler was running"}


def test_a_long_gap_leaves_one_row_that_says_how_many(jobs: JobRegistry, leads: Leadership) -> None:
    JobConfigFactory(job_id="copy_files", cron_expression="* * * * *")
    claimed = Runner(jobs, leads).claim(due(*minutes_ago(*range(300, 9, -1))))
    assert len(claimed) == 1
    missed = ExecutionLog.objects.get(status=Status.MISSED, job_id="copy_files")
    assert missed.error_message.startswith("290 slots from ")
    assert missed.error_message.endswith("no scheduler was running")


def test_a_claim_is_given_once_however_often_it_is_asked_for(
    jobs: JobRegistry, leads: Leadership
) -> None:
    JobConfigFactory(job_id="copy_files", cron_expression="* * * * *")
    runner = Runner(jobs, leads)
    work = due(*minutes_ago(0))
    assert [len(runner.claim(work)), len(runner.claim(work))] == [1, 0]


def test_a_standby_claims_nothing(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="copy_files", cron_expression="* * * * *")
    standby = Leadership(SchedulerProcessFactory().pk)
    with pytest.raises(LeaseLost):
        Runner(jobs, standby).claim(due(*minutes_ago(0)))


def test_slots_that_waited_are_decided_together() -> None:
    slots = minutes_ago(3, 2, 1)
    assert merged([due(slot) for slot in slots]) == [due(*slots)]


def test_slots_of_different_patience_are_decided_apart() -> None:
    one, two = (due(*minutes_ago(1), grace=grace) for grace in (GRACE, timedelta(0)))
    assert merged([one, Queued("copy_files", 1), two]) == [one, Queued("copy_files", 1), two]


def test_the_closing_write_waits_until_it_is_abandoned(
    jobs: JobRegistry, leads: Leadership
) -> None:
    runner = Runner(jobs, leads)
    runner.abandon.set()
    assert runner._wait_to_close() is False


def test_a_revived_run_cannot_close_what_others_closed(
    jobs: JobRegistry, leads: Leadership
) -> None:
    @jobs.register("frozen", name="Frozen")
    def frozen(run: Run) -> None:
        ExecutionLog.objects.filter(pk=run.execution_id).update(
            status=Status.FAILED, error_message="its process stopped responding"
        )

    execution = run(jobs, leads, "frozen")
    assert execution.error_message == "its process stopped responding"


def test_a_run_that_is_cancelled_is_no_error_in_the_log(
    jobs: JobRegistry, leads: Leadership, caplog: pytest.LogCaptureFixture
) -> None:
    @jobs.register("parks", name="Parks")
    def parks(run: Run) -> None:
        raise RunCancelled("the quota is spent", {"rows": 5})

    with caplog.at_level("INFO"):
        execution = run(jobs, leads, "parks")
    assert (execution.status, execution.result) == (Status.CANCELLED, {"rows": 5})
    last = caplog.records[-1]
    assert last.levelname == "INFO"
    assert last.getMessage() == (
        f"action=cancelled job_id=parks execution={execution.pk}: the quota is spent"
    )
