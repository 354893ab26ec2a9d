"""The database decides who starts what."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from scheduler_app import claims
from scheduler_app.models import Cause, ExecutionLog, JobConfig, SchedulerProcess, Status
from tests.factories import ExecutionLogFactory, JobConfigFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db

SLOT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # 18:00 in Shanghai


@pytest.fixture
def process() -> SchedulerProcess:
    made: SchedulerProcess = SchedulerProcessFactory()
    return made


def claim(process: SchedulerProcess, slot: datetime = SLOT) -> ExecutionLog | None:
    return claims.claim_slot("one", slot, Cause.SCHEDULE, process.pk)


def test_a_claim_is_a_running_execution(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one", job_kwargs={"a": 1})
    execution = claim(process)
    assert execution is not None
    assert (execution.status, execution.scheduled_for) == (Status.RUNNING, SLOT)
    assert (execution.job_kwargs, execution.process_id) == ({"a": 1}, process.pk)


def test_a_claim_moves_the_last_slot_and_the_last_run(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one")
    execution = claim(process)
    assert execution is not None
    config = JobConfig.objects.get(job_id="one")
    assert (config.last_slot, config.last_run_at) == (SLOT, execution.started_at)


def test_an_older_claim_does_not_move_the_last_slot_back(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one", last_slot=SLOT + timedelta(days=1))
    claim(process)
    assert JobConfig.objects.get(job_id="one").last_slot == SLOT + timedelta(days=1)


def test_a_slot_that_another_process_has_is_not_claimed(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one")
    claim(SchedulerProcessFactory())
    assert claim(process) is None
    assert ExecutionLog.objects.filter(job_id="one").count() == 1


def test_a_claim_whose_answer_was_lost_is_given_again(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one")
    first, second = claim(process), claim(process)
    assert first is not None
    assert second == first


def test_a_finished_slot_is_not_claimed_again(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one")
    ExecutionLogFactory(job_id="one", scheduled_for=SLOT, process=process)
    assert claim(process) is None


def test_a_slot_is_skipped_while_the_job_still_runs(process: SchedulerProcess) -> None:
    JobConfigFactory(job_id="one")
    running = ExecutionLogFactory(running=True, job_id="one", scheduled_for=SLOT - timedelta(1))
    assert claim(process) is None
    skipped = ExecutionLog.objects.get(job_id="one", scheduled_for=SLOT)
    assert skipped.status == Status.SKIPPED_OVERLAP
    assert skipped.error_message == f"execution {running.pk} of this job was still running"
    assert skipped.started_at == skipped.finished_at
    config = JobConfig.objects.get(job_id="one")
    assert (config.last_slot, config.last_run_at) == (SLOT, None)


@pytest.mark.parametrize(
    "change",
    [{"enabled": False}, {"cron_expression": "0 19 * * *"}, {"cron_expression": "broken"}],
)
def test_a_slot_that_the_schedule_has_no_more_is_dropped(
    process: SchedulerProcess, change: dict[str, object]
) -> None:
    JobConfigFactory(job_id="one", **change)
    assert claim(process) is None
    assert not ExecutionLog.objects.filter(job_id="one").exists()


def test_a_slot_of_a_deleted_schedule_is_dropped(process: SchedulerProcess) -> None:
    assert claim(process) is None


def test_a_queued_execution_is_claimed_once(process: SchedulerProcess) -> None:
    queued = ExecutionLogFactory(queued=True, job_id="one")
    claimed = claims.claim_queued(queued.pk, "one", process.pk)
    assert claimed is not None
    assert claimed.status == Status.RUNNING
    assert claims.claim_queued(queued.pk, "one", uuid.uuid4()) is None


def test_a_queued_execution_waits_while_the_job_runs(process: SchedulerProcess) -> None:
    queued = ExecutionLogFactory(queued=True, job_id="one")
    ExecutionLogFactory(running=True, job_id="one", attempt=2)
    assert claims.claim_queued(queued.pk, "one", process.pk) is None
    queued.refresh_from_db()
    assert queued.status == Status.QUEUED


def test_missed_slots_leave_rows_and_move_the_last_slot() -> None:
    JobConfigFactory(job_id="one")
    slots = [SLOT - timedelta(days=2), SLOT - timedelta(days=1)]
    claims.record_missed("one", slots, "no scheduler was running")
    rows = ExecutionLog.objects.filter(job_id="one", status=Status.MISSED).order_by("scheduled_for")
    assert [row.scheduled_for for row in rows] == slots
    assert {row.error_message for row in rows} == {"no scheduler was running"}
    assert JobConfig.objects.get(job_id="one").last_slot == slots[-1]


def test_a_slot_that_ran_is_not_recorded_as_missed() -> None:
    ExecutionLogFactory(job_id="one", scheduled_for=SLOT)
    claims.record_missed("one", [SLOT], "late")
    assert ExecutionLog.objects.get(job_id="one").status == Status.SUCCESS


@pytest.mark.django_db(transaction=True)
def test_many_claims_of_one_slot_at_once_start_it_once() -> None:
    JobConfigFactory(job_id="one")
    processes = SchedulerProcessFactory.create_batch(6)
    together = threading.Barrier(len(processes))
    claimed: list[ExecutionLog | None] = []

    def race(process: SchedulerProcess) -> None:
        together.wait()
        claimed.append(claim(process))
        connections.close_all()

    threads = [threading.Thread(target=race, args=[process]) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([execution for execution in claimed if execution]) == 1
    assert ExecutionLog.objects.filter(job_id="one").count() == 1
