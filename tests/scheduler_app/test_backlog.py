"""What becomes of slots that are due: run, catch up, or a row that says why not."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scheduler_app.backlog import GRACE, Backlog, Plan, nothing_late, plan
from scheduler_app.cron import CronSimTrigger, IntervalTrigger
from scheduler_app.left_out import LeftOut
from scheduler_app.models import Cause, Status
from scheduler_app.policies import Verdict
from scheduler_app.policy_fields import Misfire
from tests.factories import JobConfigFactory

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE = timedelta(0)
CLOSED = Verdict(Status.SKIPPED_CALENDAR, "not a run day")
REASON = "no scheduler was running"


def seconds_before_noon(*seconds: int) -> list[datetime]:
    return [NOON - timedelta(seconds=second) for second in seconds]


def decide(
    backlog: Backlog | None,
    grace: timedelta = GRACE,
    *,
    closed: Collection[datetime] = (),
    **policies: Any,
) -> Plan:
    assert backlog is not None
    config = JobConfigFactory.build(**policies)
    return plan(
        backlog, NOON, grace, config, lambda slot: CLOSED if slot in closed else None, REASON
    )


def slots_left_out(decided: Plan) -> list[datetime]:
    return [row.slot for row in decided.left_out]


def test_slots_that_came_in_time_run_without_a_look_at_any_policy() -> None:
    slots = seconds_before_noon(3, 2, 1)
    decided = nothing_late(Backlog.of(slots), NOON, GRACE)
    assert decided == Plan(tuple((slot, Cause.SCHEDULE) for slot in slots))


def test_a_late_slot_needs_a_look_at_the_policy() -> None:
    assert nothing_late(Backlog.of(seconds_before_noon(100, 1)), NOON, GRACE) is None


def test_several_slots_a_little_late_all_run() -> None:
    slots = seconds_before_noon(3, 2, 1)
    decided = decide(Backlog.of(slots))
    assert [slot for slot, _cause in decided.run] == slots
    assert decided.left_out == ()


def test_the_latest_late_slot_runs_as_catch_up_and_the_others_are_missed() -> None:
    slots = seconds_before_noon(300, 200, 100)
    decided = decide(Backlog.of(slots))
    assert decided.run == ((slots[-1], Cause.CATCH_UP),)
    assert decided.left_out == tuple(LeftOut(slot, Status.MISSED, REASON) for slot in slots[:-1])


def test_no_catch_up_where_a_fresh_slot_follows() -> None:
    slots = seconds_before_noon(300, 200, 10)
    decided = decide(Backlog.of(slots))
    assert decided.run == ((slots[-1], Cause.SCHEDULE),)
    assert slots_left_out(decided) == slots[:-1]


def test_a_catch_up_where_the_fresh_slot_does_not_run_itself() -> None:
    friday, saturday = seconds_before_noon(300, 10)
    decided = decide(Backlog.of([friday, saturday]), closed={saturday})
    assert decided.run == ((friday, Cause.CATCH_UP), (saturday, Cause.SCHEDULE))


def test_the_latest_slot_that_its_calendar_allows_is_caught_up() -> None:
    thursday, friday, saturday = seconds_before_noon(300, 200, 100)
    decided = decide(Backlog.of([thursday, friday, saturday]), closed={saturday})
    assert decided.run == ((friday, Cause.CATCH_UP),)
    assert [(row.slot, row.status) for row in decided.left_out] == [
        (thursday, Status.MISSED),
        (saturday, Status.SKIPPED_CALENDAR),
    ]


def test_where_missed_slots_are_left_out_none_runs() -> None:
    slots = seconds_before_noon(300, 200, 100)
    decided = decide(Backlog.of(slots), misfire_policy=Misfire.SKIP)
    assert (decided.run, decided.queue, slots_left_out(decided)) == ((), (), slots)


def test_all_missed_slots_within_the_window_wait_in_line() -> None:
    slots = seconds_before_noon(300, 200, 100, 10)
    decided = decide(Backlog.of(slots), misfire_policy=Misfire.RUN_ALL, misfire_window_seconds=200)
    assert decided.queue == tuple(slots[1:3])
    assert decided.run == ((slots[3], Cause.SCHEDULE),)
    assert slots_left_out(decided) == slots[:1]


def test_after_a_stop_even_a_fresh_slot_is_catch_up() -> None:
    (slot,) = seconds_before_noon(1)
    assert decide(Backlog.of([slot]), NONE).run == ((slot, Cause.CATCH_UP),)


def test_a_hundred_missed_slots_leave_a_row_each() -> None:
    backlog = Backlog.between(IntervalTrigger(1), NOON - timedelta(seconds=101), NOON)
    assert len(decide(backlog, NONE).left_out) == 100


def test_a_day_of_seconds_leaves_one_row_for_all_and_one_catch_up() -> None:
    backlog = Backlog.between(IntervalTrigger(1), NOON - timedelta(days=1), NOON)
    assert backlog is not None
    assert backlog.count == 86_400
    decided = decide(backlog, NONE)
    assert decided.run == ((NOON, Cause.CATCH_UP),)
    assert decided.left_out == (
        LeftOut(
            NOON - timedelta(seconds=1),
            Status.MISSED,
            "86,399 slots from 2026-03-01 12:00:01 UTC to 2026-03-02 11:59:59 UTC: " + REASON,
        ),
    )


def test_a_day_of_seconds_that_all_may_run_leaves_a_hundred_in_line_and_one_row() -> None:
    backlog = Backlog.between(IntervalTrigger(1), NOON - timedelta(days=1), NOON)
    decided = decide(backlog, NONE, misfire_policy=Misfire.RUN_ALL)
    assert decided.queue == tuple(seconds_before_noon(*range(99, -1, -1)))
    (row,) = decided.left_out
    assert row.reason.startswith("86,300 slots from ")


def test_a_day_of_seconds_in_a_pause_leaves_one_row_that_says_so() -> None:
    since = NOON - timedelta(days=1)
    backlog = Backlog.between(IntervalTrigger(1), since, NOON)
    assert backlog is not None
    config = JobConfigFactory.build(paused_at=since, paused_by="ann")
    pause = Verdict(Status.SKIPPED_PAUSED, "paused by ann")
    decided = plan(backlog, NOON, NONE, config, lambda slot: pause, REASON)
    (row,) = decided.left_out
    assert (decided.run, row.status) == ((), Status.SKIPPED_PAUSED)
    assert row.reason.endswith("UTC: paused by ann")


def test_years_of_minutes_are_bounded_work() -> None:
    trigger = CronSimTrigger("* * * * *", "Asia/Shanghai")
    backlog = Backlog.between(trigger, NOON - timedelta(days=3000), NOON)
    assert backlog is not None
    assert backlog.tail[-1] == NOON
    (row,) = decide(backlog, NONE).left_out
    assert row.reason.startswith("more than 4,999 slots from 2017")


def test_there_is_no_backlog_before_the_next_slot() -> None:
    trigger = CronSimTrigger("0 18 * * *", "UTC")
    assert Backlog.between(trigger, NOON - timedelta(hours=1), NOON) is None


def test_slots_that_came_one_by_one_are_decided_together() -> None:
    one, two, three = (Backlog.of([slot]) for slot in seconds_before_noon(300, 200, 100))
    together = one.followed_by(two).followed_by(three)
    assert together == Backlog.of(seconds_before_noon(300, 200, 100))


@given(
    ages=st.sets(st.integers(0, 400), min_size=1, max_size=30),
    closed=st.sets(st.integers(0, 400)),
    policy=st.sampled_from(Misfire),
    window=st.integers(0, 400),
)
def test_every_slot_of_a_short_gap_has_exactly_one_fate(
    ages: set[int], closed: set[int], policy: Misfire, window: int
) -> None:
    slots = seconds_before_noon(*sorted(ages, reverse=True))
    decided = decide(
        Backlog.of(slots),
        closed=set(seconds_before_noon(*closed)),
        misfire_policy=policy,
        misfire_window_seconds=window,
    )
    fates = [
        *(slot for slot, _cause in decided.run), *decided.queue, *slots_left_out(decided)
    ]  # fmt: skip
    assert sorted(fates) == slots
    caught_up = [slot for slot, cause in decided.run if cause == Cause.CATCH_UP]
    assert len(caught_up) <= (policy == Misfire.RUN_ONCE)
    assert not decided.queue or policy == Misfire.RUN_ALL
    assert not {*caught_up, *decided.queue} & set(seconds_before_noon(*closed))
