"""Claims under the policies of a row: who waits, who is left out, and with which row."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connections
from django.utils import timezone

from scheduler_app import calendars, claims
from scheduler_app.claims import Owner
from scheduler_app.models import (
    Cause,
    ExecutionLog,
    JobConfig,
    Status,
    StopRequest,
)
from scheduler_app.policy_fields import Overlap
from tests.factories import ExecutionLogFactory, JobConfigFactory, LeaseFactory

pytestmark = pytest.mark.django_db

SLOT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # Monday, 18:00 in Shanghai
NEXT = SLOT + timedelta(days=1)


@pytest.fixture
def owner(db: None) -> Owner:
    """The process that leads."""
    lease = LeaseFactory()
    return Owner(lease.process_id, lease.fence)


@pytest.fixture(autouse=True)
def at_the_slot() -> Iterator[None]:
    with patch.object(timezone, "now", return_value=SLOT + timedelta(seconds=1)):
        yield


def claim(owner: Owner, slot: datetime = SLOT) -> ExecutionLog | None:
    return claims.claim_slot("one", slot, Cause.SCHEDULE, owner)


def row_of(slot: datetime = SLOT) -> ExecutionLog:
    return ExecutionLog.objects.get(job_id="one", scheduled_for=slot)


def running(**fields: Any) -> ExecutionLog:
    made: ExecutionLog = ExecutionLogFactory(
        running=True, job_id="one", scheduled_for=SLOT - timedelta(days=1), **fields
    )
    return made


def test_a_slot_that_may_wait_waits_until_the_running_one_ends(owner: Owner) -> None:
    JobConfigFactory(job_id="one", overlap_policy=Overlap.QUEUE_ONE)
    before = running()
    assert claim(owner) is None
    queued = row_of()
    assert (queued.status, queued.caused_by) == (Status.QUEUED, Cause.SCHEDULE)
    assert claims.ready(timezone.now()) == []
    ExecutionLog.objects.update(before.pk, status=Status.SUCCESS)
    assert claims.ready(timezone.now()) == [("one", queued.pk)]
    started = claims.claim_queued(queued.pk, "one", owner)
    assert started is not None
    assert (started.status, started.caused_by) == (Status.RUNNING, Cause.SCHEDULE)


def test_only_one_slot_waits(owner: Owner) -> None:
    JobConfigFactory(job_id="one", overlap_policy=Overlap.QUEUE_ONE)
    before = running()
    claim(owner)
    assert claim(owner, NEXT) is None
    assert row_of(NEXT).status == Status.SKIPPED_OVERLAP
    assert row_of(NEXT).error_message == (
        f"execution {before.pk} of this job was still running and execution {row_of().pk} waited"
    )


@pytest.mark.django_db(transaction=True)
def test_of_many_slots_at_once_one_runs_and_one_waits() -> None:
    JobConfigFactory(interval=True, job_id="one", overlap_policy=Overlap.QUEUE_ONE)
    lease = LeaseFactory()
    owner = Owner(lease.process_id, lease.fence)
    slots = [SLOT + timedelta(minutes=index) for index in range(6)]
    together = threading.Barrier(len(slots))

    def race(slot: datetime) -> None:
        together.wait()
        claim(owner, slot)
        connections.close_all()

    threads = [threading.Thread(target=race, args=[slot]) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = ExecutionLog.objects.filter(job_id="one").values_list("status", flat=True)
    assert sorted(statuses) == ["QUEUED", "RUNNING", *["SKIPPED_OVERLAP"] * 4]


def test_a_slot_may_ask_the_running_one_to_stop_and_takes_its_place(
    owner: Owner,
) -> None:
    JobConfigFactory(job_id="one", overlap_policy=Overlap.CANCEL_RUNNING)
    before = running()
    assert claim(owner) is None
    asked = StopRequest.objects.get()
    assert (asked.execution_id, asked.at_once) == (before.pk, True)
    assert asked.reason.startswith("the slot of 2026-03-02 10:00:00 UTC came")
    assert row_of().status == Status.QUEUED


def test_the_newest_slot_takes_the_place_of_one_that_waits(owner: Owner) -> None:
    JobConfigFactory(job_id="one", overlap_policy=Overlap.CANCEL_RUNNING)
    running()
    claim(owner)
    claim(owner, NEXT)
    assert (row_of().status, row_of(NEXT).status) == (Status.SKIPPED_OVERLAP, Status.QUEUED)
    assert row_of().error_message == "a later slot came before it could start"


def test_a_slot_on_a_day_that_is_no_run_day_leaves_a_row(owner: Owner) -> None:
    registry = calendars.CalendarRegistry()
    registry.register("weekends", "Saturday and Sunday", lambda day: day.weekday() > 4)
    JobConfigFactory(job_id="one", run_calendar="weekends")
    with patch.object(calendars, "calendars", registry):
        assert claim(owner) is None
    assert row_of().status == Status.SKIPPED_CALENDAR
    assert row_of().error_message == "2026-03-02 is not a run day: Saturday and Sunday"
    assert JobConfig.objects.get(job_id="one").last_slot == SLOT


def test_a_slot_of_an_unknown_calendar_runs_and_carries_the_doubt(
    owner: Owner,
) -> None:
    JobConfigFactory(job_id="one", run_calendar="moon")
    execution = claim(owner)
    assert execution is not None
    assert execution.doubt == "this version has no run calendar 'moon'"


def test_a_paused_slot_leaves_a_row(owner: Owner) -> None:
    JobConfigFactory(job_id="one", paused_at=SLOT, paused_by="ann", paused_reason="moving")
    assert claim(owner) is None
    assert (row_of().status, row_of().error_message) == (
        Status.SKIPPED_PAUSED,
        "paused by ann: moving",
    )


def test_a_long_pause_leaves_a_hundred_rows_and_one_for_the_rest(
    owner: Owner,
) -> None:
    JobConfigFactory(interval=True, job_id="one", paused_at=SLOT, paused_by="ann")
    rows = ExecutionLogFactory.build_batch(
        98,
        job_id="one",
        status=Status.SKIPPED_PAUSED,
        started_at=SLOT,
        error_message="paused by ann",
    )
    for index, row in enumerate(rows):
        row.scheduled_for = SLOT + timedelta(seconds=index)
    ExecutionLog.objects.bulk_create(rows)
    minutes = [SLOT + timedelta(minutes=index) for index in range(2, 8)]
    for minute in minutes:
        claim(owner, minute)
    kept = ExecutionLog.objects.filter(job_id="one").order_by("-id")
    assert kept.count() == 101
    assert kept[0].error_message == (
        "4 slots from 2026-03-02 10:04:00 UTC to 2026-03-02 10:07:00 UTC: paused by ann"
    )
    assert JobConfig.objects.get(job_id="one").last_slot == minutes[-1]


def test_another_reason_begins_a_row_of_its_own(owner: Owner) -> None:
    JobConfigFactory(interval=True, job_id="one", overlap_policy=Overlap.SKIP)
    before = running()
    last = ExecutionLogFactory(
        job_id="one",
        scheduled_for=SLOT,
        status=Status.SKIPPED_OVERLAP,
        error_message=f"9 slots: execution {before.pk} of this job was still running",
        result={"slots": 9},
    )
    claim(owner, SLOT + timedelta(minutes=1))
    last.refresh_from_db()
    assert last.result["slots"] == 10
    JobConfig.objects.update(paused_at=SLOT)
    claim(owner, SLOT + timedelta(minutes=2))
    assert row_of(SLOT + timedelta(minutes=2)).status == Status.SKIPPED_PAUSED


def test_what_a_pause_holds_does_not_stand_in_front_of_a_run_that_is_asked_for(
    owner: Owner,
) -> None:
    JobConfigFactory(job_id="one", paused_at=SLOT)
    held = ExecutionLogFactory(queued=True, job_id="one", caused_by=Cause.FOLLOW_UP)
    asked = ExecutionLogFactory(queued=True, job_id="one", attempt=2)
    assert claims.ready(timezone.now()) == [("one", asked.pk)]
    assert claims.claim_queued(held.pk, "one", owner) is None
    assert claims.claim_queued(asked.pk, "one", owner) is not None


def test_what_a_pause_held_is_ready_when_it_is_over() -> None:
    until = SLOT + timedelta(hours=1)
    JobConfigFactory(job_id="one", paused_at=SLOT, paused_until=until)
    held = ExecutionLogFactory(queued=True, job_id="one", caused_by=Cause.RETRY)
    assert claims.ready(until - timedelta(seconds=1)) == []
    assert claims.ready(until) == [("one", held.pk)]


def test_a_retry_is_not_ready_before_its_moment() -> None:
    JobConfigFactory(job_id="one")
    retry = ExecutionLogFactory(queued=True, job_id="one", attempt=2, not_before=NEXT)
    assert claims.ready(NEXT - timedelta(seconds=1)) == []
    assert claims.ready(NEXT) == [("one", retry.pk)]


def test_a_slot_that_waited_beyond_its_deadline_is_missed(owner: Owner) -> None:
    JobConfigFactory(job_id="one", start_deadline_seconds=60)
    late = ExecutionLogFactory(
        queued=True,
        job_id="one",
        caused_by=Cause.SCHEDULE,
        scheduled_for=SLOT - timedelta(seconds=60),
    )
    assert claims.claim_queued(late.pk, "one", owner) is None
    late.refresh_from_db()
    assert (late.status, late.error_message) == (
        Status.MISSED,
        "it could not be started within 60 s, its start deadline",
    )
    assert late.started_at == late.finished_at


def test_missed_slots_wait_in_line_the_oldest_first(owner: Owner) -> None:
    JobConfigFactory(job_id="one", job_kwargs={"a": 1})
    slots = [SLOT - timedelta(days=2), SLOT - timedelta(days=1)]
    claims.queue_catch_ups("one", slots, owner)
    rows = ExecutionLog.objects.filter(job_id="one").order_by("id")
    assert [row.scheduled_for for row in rows] == slots
    assert {(row.status, row.caused_by, row.job_kwargs["a"]) for row in rows} == {
        (Status.QUEUED, Cause.CATCH_UP, 1)
    }
    assert JobConfig.objects.get(job_id="one").last_slot == slots[-1]


def test_a_slot_in_line_whose_schedule_is_gone_is_cancelled(owner: Owner) -> None:
    queued = ExecutionLogFactory(queued=True, job_id="one", caused_by=Cause.CATCH_UP)
    assert claims.claim_queued(queued.pk, "one", owner) is None
    queued.refresh_from_db()
    assert (queued.status, queued.error_message) == (
        Status.CANCELLED,
        "its schedule was stopped before it could start",
    )
