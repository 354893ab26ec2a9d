"""What becomes of slots that are due: run, catch up once, or a row that says missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scheduler_app.backlog import GRACE, Backlog, plan
from scheduler_app.cron import CronSimTrigger, IntervalTrigger
from scheduler_app.models import Cause

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE = timedelta(0)


def seconds_before_noon(*seconds: int) -> list[datetime]:
    return [NOON - timedelta(seconds=second) for second in seconds]


def test_a_slot_a_little_late_is_simply_run() -> None:
    (slot,) = seconds_before_noon(5)
    assert plan(Backlog.of([slot]), NOON, GRACE).run == ((slot, Cause.SCHEDULE),)


def test_several_slots_a_little_late_all_run() -> None:
    slots = seconds_before_noon(3, 2, 1)
    decided = plan(Backlog.of(slots), NOON, GRACE)
    assert [slot for slot, _cause in decided.run] == slots
    assert decided.missed == ()


def test_the_latest_late_slot_runs_as_catch_up_and_the_others_are_missed() -> None:
    slots = seconds_before_noon(300, 200, 100)
    decided = plan(Backlog.of(slots), NOON, GRACE)
    assert decided.run == ((slots[-1], Cause.CATCH_UP),)
    assert decided.missed == tuple(slots[:-1])


def test_no_catch_up_where_a_fresh_slot_follows() -> None:
    slots = seconds_before_noon(300, 200, 10)
    decided = plan(Backlog.of(slots), NOON, GRACE)
    assert decided.run == ((slots[-1], Cause.SCHEDULE),)
    assert decided.missed == tuple(slots[:-1])


def test_after_a_stop_even_a_fresh_slot_is_catch_up() -> None:
    (slot,) = seconds_before_noon(1)
    assert plan(Backlog.of([slot]), NOON, NONE).run == ((slot, Cause.CATCH_UP),)


def test_a_hundred_missed_slots_leave_a_row_each() -> None:
    backlog = Backlog.between(IntervalTrigger(1), NOON - timedelta(seconds=101), NOON)
    assert backlog is not None
    decided = plan(backlog, NOON, NONE)
    assert (len(decided.missed), decided.summary) == (100, "")


def test_a_day_of_seconds_leaves_one_row_for_all_and_one_catch_up() -> None:
    backlog = Backlog.between(IntervalTrigger(1), NOON - timedelta(days=1), NOON)
    assert backlog is not None
    assert backlog.count == 86_400
    decided = plan(backlog, NOON, NONE)
    assert decided.run == ((NOON, Cause.CATCH_UP),)
    assert decided.missed == (NOON - timedelta(seconds=1),)
    assert decided.summary == (
        "86,399 slots from 2026-03-01 12:00:01 UTC to 2026-03-02 11:59:59 UTC"
    )


def test_years_of_minutes_are_bounded_work() -> None:
    trigger = CronSimTrigger("* * * * *", "Asia/Shanghai")
    backlog = Backlog.between(trigger, NOON - timedelta(days=3000), NOON)
    assert backlog is not None
    assert backlog.tail[-1] == NOON
    assert plan(backlog, NOON, NONE).summary.startswith("more than 4,999 slots from 2017")


def test_there_is_no_backlog_before_the_next_slot() -> None:
    trigger = CronSimTrigger("0 18 * * *", "UTC")
    assert Backlog.between(trigger, NOON - timedelta(hours=1), NOON) is None


def test_slots_that_came_one_by_one_are_decided_together() -> None:
    one, two, three = (Backlog.of([slot]) for slot in seconds_before_noon(300, 200, 100))
    together = one.followed_by(two).followed_by(three)
    assert together == Backlog.of(seconds_before_noon(300, 200, 100))
