"""What becomes of a slot, of what waits, of a failure: decisions without a database or a clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_app import policies
from scheduler_app.calendars import RunDay
from scheduler_app.models import ASKED_FOR, OF_A_SLOT, Cause, JobConfig, Status
from scheduler_app.policies import Open, Verdict
from scheduler_app.policy_fields import Overlap
from tests.factories import JobConfigFactory

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
OPEN_DAY = RunDay(date(2026, 3, 2))
CLOSED_DAY = RunDay(date(2026, 3, 2), why="2026-03-02 is not a run day: weekdays")
NOBODY, RUNNING = Open(), Open(running=7)


def config(**fields: Any) -> JobConfig:
    row: JobConfig = JobConfigFactory.build(**fields)
    return row


def judge(
    row: JobConfig, *, day: RunDay = OPEN_DAY, others: Open = NOBODY, late: int = 0
) -> Verdict:
    return policies.judge_slot(row, NOON - timedelta(seconds=late), NOON, day, others)


def test_a_slot_that_nothing_speaks_against_runs() -> None:
    assert judge(config()) == Verdict(Status.RUNNING)


def test_a_slot_in_a_pause_is_skipped_with_the_pause_as_its_reason() -> None:
    row = config(
        paused_at=NOON - HOUR, paused_by="ann", paused_until=NOON + HOUR, paused_reason="moving"
    )
    assert judge(row) == Verdict(
        Status.SKIPPED_PAUSED, "paused by ann until 2026-03-02 13:00:00 UTC: moving"
    )


def test_a_pause_that_began_after_the_slot_still_holds_it() -> None:
    assert judge(config(paused_at=NOON), late=5).status == Status.SKIPPED_PAUSED


def test_a_slot_of_a_pause_that_is_over_is_still_one_of_the_pause() -> None:
    row = config(paused_at=NOON - HOUR, paused_until=NOON - SECOND)
    assert judge(row, late=5).status == Status.SKIPPED_PAUSED
    assert judge(row).status == Status.RUNNING


def test_a_slot_at_the_very_end_of_a_pause_runs() -> None:
    assert judge(config(paused_at=NOON - HOUR, paused_until=NOON)).status == Status.RUNNING


def test_a_slot_on_a_day_that_is_no_run_day_is_skipped() -> None:
    assert judge(config(), day=CLOSED_DAY) == Verdict(Status.SKIPPED_CALENDAR, CLOSED_DAY.why)


def test_a_day_that_nobody_knows_runs() -> None:
    assert judge(config(), day=RunDay(date(2031, 1, 1), doubt="no calendar")).status == "RUNNING"


@pytest.mark.parametrize(("late", "status"), [(60, Status.RUNNING), (61, Status.MISSED)])
def test_a_slot_past_its_start_deadline_is_missed(late: int, status: Status) -> None:
    assert judge(config(start_deadline_seconds=60), late=late).status == status


def test_without_a_start_deadline_a_slot_never_expires() -> None:
    assert judge(config(), late=10**6).status == Status.RUNNING


@pytest.mark.parametrize(
    ("policy", "others", "status"),
    [
        (Overlap.SKIP, RUNNING, Status.SKIPPED_OVERLAP),
        (Overlap.QUEUE_ONE, RUNNING, Status.QUEUED),
        (Overlap.QUEUE_ONE, Open(running=7, waiting=8), Status.SKIPPED_OVERLAP),
        (Overlap.QUEUE_ONE, Open(waiting=8), Status.QUEUED),
        (Overlap.SKIP, Open(waiting=8), Status.RUNNING),
        (Overlap.CANCEL_RUNNING, Open(waiting=8), Status.RUNNING),
        (Overlap.CANCEL_RUNNING, RUNNING, Status.QUEUED),
        (Overlap.CANCEL_RUNNING, Open(running=7, waiting=8), Status.QUEUED),
    ],
)
def test_while_the_job_still_runs_the_overlap_policy_decides(
    policy: Overlap, others: Open, status: Status
) -> None:
    verdict = judge(config(overlap_policy=policy), others=others)
    assert verdict.status == status
    assert verdict.takes_over == (policy == Overlap.CANCEL_RUNNING)


def waiting(row: JobConfig | None, cause: str, *, late: int = 0) -> Status:
    return policies.judge_waiting(row, cause, NOON - timedelta(seconds=late), NOON).status


@pytest.mark.parametrize("cause", ASKED_FOR)
def test_a_run_that_a_person_asked_for_is_held_up_by_nothing(cause: Cause) -> None:
    row = config(paused_at=NOON, enabled=False, start_deadline_seconds=1)
    assert waiting(row, cause, late=60) == Status.RUNNING
    assert waiting(None, cause) == Status.RUNNING


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause not in ASKED_FOR])
def test_other_runs_wait_while_their_schedule_is_paused(cause: Cause) -> None:
    assert waiting(config(paused_at=NOON), cause) == Status.QUEUED


@pytest.mark.parametrize("cause", OF_A_SLOT)
def test_what_stands_for_a_slot_goes_with_its_schedule_and_its_deadline(cause: Cause) -> None:
    assert waiting(None, cause) == Status.CANCELLED
    assert waiting(config(enabled=False), cause) == Status.CANCELLED
    assert waiting(config(start_deadline_seconds=60), cause, late=61) == Status.MISSED


def test_a_follow_up_needs_no_schedule_and_knows_no_deadline() -> None:
    assert waiting(None, Cause.FOLLOW_UP) == Status.RUNNING
    late = config(start_deadline_seconds=60)
    assert waiting(late, Cause.FOLLOW_UP, late=61) == Status.RUNNING


def delays(**fields: Any) -> list[float]:
    row, found = config(**fields), []
    for attempt in range(1, 100):
        at = policies.retry_at(row, attempt, NOON)
        if at is None:
            break
        found.append((at - NOON).total_seconds())
    return found


def test_retries_wait_longer_each_time_and_then_end() -> None:
    assert delays(max_retries=3, retry_delay_seconds=60, retry_backoff=5) == [60, 300, 1500]


def test_no_retry_where_none_is_wanted() -> None:
    assert delays(max_retries=0) == []


@given(
    retries=st.integers(0, 90),
    delay=st.integers(0, 10**6),
    backoff=st.floats(1, 100),
)
def test_delays_never_shrink_and_never_exceed_a_day(
    retries: int, delay: int, backoff: float
) -> None:
    found = delays(max_retries=retries, retry_delay_seconds=delay, retry_backoff=backoff)
    assert len(found) == retries
    assert found == sorted(found)
    assert not found or found[-1] <= 86_400


def test_failures_in_a_row_are_counted_by_slot_and_end_at_a_success() -> None:
    one, two, three = (NOON - index * HOUR for index in range(3))
    newest_first = [
        (one, Status.FAILED),
        (one, Status.FAILED),
        (two, Status.FAILED),
        (three, Status.SUCCESS),
        (NOON - 9 * HOUR, Status.FAILED),
    ]
    assert policies.failed_in_a_row(newest_first) == 2


def test_a_slot_whose_last_attempt_succeeded_is_no_failure() -> None:
    assert policies.failed_in_a_row([(NOON, Status.SUCCESS), (NOON, Status.FAILED)]) == 0


def test_failures_are_counted_from_the_end_of_the_last_pause() -> None:
    over = config(paused_at=NOON - 2 * HOUR, paused_until=NOON - HOUR)
    assert policies.counted_since(over, NOON) == NOON - HOUR
    assert policies.counted_since(config(resumed_at=NOON), NOON) == NOON
    assert policies.counted_since(config(), NOON) is None
