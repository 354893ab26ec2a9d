"""The database decides who starts what."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from scheduler_app import claims
from scheduler_app.claims import Owner
from scheduler_app.errors import LeaseLost
from scheduler_app.left_out import LeftOut
from scheduler_app.models import Cause, ExecutionLog, JobConfig, SchedulerLease, Status
from tests.factories import (
    ExecutionLogFactory,
    JobConfigFactory,
    LeaseFactory,
    SchedulerProcessFactory,
)

pytestmark = pytest.mark.django_db

SLOT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # 18:00 in Shanghai


@pytest.fixture
def owner() -> Owner:
    """The process that leads."""
    return leader(fence=1)


def leader(fence: int) -> Owner:
    process = SchedulerProcessFactory()
    SchedulerLease.objects.all().delete()
    LeaseFactory(process=process, fence=fence)
    return Owner(process.pk, fence)


def claim(owner: Owner, slot: datetime = SLOT) -> ExecutionLog | None:
    return claims.claim_slot("one", slot, Cause.SCHEDULE, owner)


def test_a_claim_is_a_running_execution(owner: Owner) -> None:
    JobConfigFactory(job_id="one", job_kwargs={"a": 1})
    execution = claim(owner)
    assert execution is not None
    assert (execution.status, execution.scheduled_for) == (Status.RUNNING, SLOT)
    assert (execution.job_kwargs, execution.process_id) == ({"a": 1}, owner.process_id)
    assert execution.fence == owner.fence


def test_a_claim_moves_the_last_slot_and_the_last_run(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    execution = claim(owner)
    assert execution is not None
    config = JobConfig.objects.get(job_id="one")
    assert (config.last_slot, config.last_run_at) == (SLOT, execution.started_at)


def test_an_older_claim_does_not_move_the_last_slot_back(owner: Owner) -> None:
    JobConfigFactory(job_id="one", last_slot=SLOT + timedelta(days=1))
    claim(owner)
    assert JobConfig.objects.get(job_id="one").last_slot == SLOT + timedelta(days=1)


def test_a_slot_that_another_process_has_is_not_claimed(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    claim(owner)
    assert claim(leader(fence=2)) is None
    assert ExecutionLog.objects.filter(job_id="one").count() == 1


def test_a_claim_whose_answer_was_lost_is_given_again(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    first, second = claim(owner), claim(owner)
    assert first is not None
    assert second == first


def test_a_finished_slot_is_not_claimed_again(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    ExecutionLogFactory(job_id="one", scheduled_for=SLOT, process_id=owner.process_id)
    assert claim(owner) is None


def test_a_slot_is_skipped_while_the_job_still_runs(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    running = ExecutionLogFactory(running=True, job_id="one", scheduled_for=SLOT - timedelta(1))
    assert claim(owner) is None
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
    owner: Owner, change: dict[str, object]
) -> None:
    JobConfigFactory(job_id="one", **change)
    assert claim(owner) is None
    assert not ExecutionLog.objects.filter(job_id="one").exists()


def test_a_slot_of_a_deleted_schedule_is_dropped(owner: Owner) -> None:
    assert claim(owner) is None


def test_a_queued_execution_is_claimed_once(owner: Owner) -> None:
    queued = ExecutionLogFactory(queued=True, job_id="one")
    claimed = claims.claim_queued(queued.pk, "one", owner)
    assert claimed is not None
    assert (claimed.status, claimed.fence) == (Status.RUNNING, owner.fence)
    assert claims.claim_queued(queued.pk, "one", leader(fence=2)) is None


def test_a_queued_execution_waits_while_the_job_runs(owner: Owner) -> None:
    queued = ExecutionLogFactory(queued=True, job_id="one")
    ExecutionLogFactory(running=True, job_id="one", attempt=2)
    assert claims.claim_queued(queued.pk, "one", owner) is None
    queued.refresh_from_db()
    assert queued.status == Status.QUEUED


def test_missed_slots_leave_rows_and_move_the_last_slot(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    slots = [SLOT - timedelta(days=2), SLOT - timedelta(days=1)]
    reason = "no scheduler was running"
    claims.record_left_out("one", [LeftOut(slot, Status.MISSED, reason) for slot in slots], owner)
    rows = ExecutionLog.objects.filter(job_id="one", status=Status.MISSED).order_by("scheduled_for")
    assert [row.scheduled_for for row in rows] == slots
    assert {row.error_message for row in rows} == {"no scheduler was running"}
    assert JobConfig.objects.get(job_id="one").last_slot == slots[-1]


def test_a_slot_that_ran_is_not_recorded_as_missed(owner: Owner) -> None:
    ExecutionLogFactory(job_id="one", scheduled_for=SLOT)
    claims.record_left_out("one", [LeftOut(SLOT, Status.MISSED, "late")], owner)
    assert ExecutionLog.objects.get(job_id="one").status == Status.SUCCESS


def test_a_process_that_lost_the_lease_claims_nothing(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    queued = ExecutionLogFactory(queued=True, job_id="one", attempt=2)
    leader(fence=2)
    with pytest.raises(LeaseLost):
        claim(owner)
    with pytest.raises(LeaseLost):
        claims.claim_queued(queued.pk, "one", owner)
    with pytest.raises(LeaseLost):
        claims.record_left_out("one", [LeftOut(SLOT, Status.MISSED, "late")], owner)
    with pytest.raises(LeaseLost):
        claims.queue_catch_ups("one", [SLOT], owner)
    assert list(ExecutionLog.objects.filter(job_id="one")) == [queued]


def test_a_process_that_led_before_claims_nothing_under_its_old_fence(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    SchedulerLease.objects.update(fence=3)
    with pytest.raises(LeaseLost):
        claim(owner)


@pytest.mark.django_db(transaction=True)
def test_many_claims_of_one_slot_at_once_start_it_once(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    together = threading.Barrier(6)
    claimed: list[ExecutionLog | None] = []

    def race() -> None:
        together.wait()
        claimed.append(claim(owner))
        connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # An answer may come twice to the process that has the slot; it knows what it has started.
    assert len({execution.pk for execution in claimed if execution}) == 1
    assert ExecutionLog.objects.filter(job_id="one").count() == 1
