"""When a schedule runs next, without what its calendar and a pause leave out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_app import calendars, cron, policies
from scheduler_app import upcoming as module
from scheduler_app.models import JobConfig, Status
from scheduler_app.policies import Open
from scheduler_app.upcoming import Upcoming, upcoming
from tests.factories import JobConfigFactory

MONDAY = datetime(2026, 3, 2, 4, tzinfo=UTC)
FRIDAY = MONDAY + timedelta(days=4)


@pytest.fixture(autouse=True, scope="module")
def weekdays() -> Iterator[None]:
    registry = calendars.CalendarRegistry()
    registry.register("every_day", "every day", lambda day: True)
    registry.register("weekdays", "weekdays only", lambda day: day.weekday() < 5)
    registry.register("never", "never", lambda day: False)
    with (
        patch.object(calendars, "calendars", registry),
        patch.object(module, "calendars", registry),
    ):
        yield


def row(**fields: object) -> JobConfig:
    made: JobConfig = JobConfigFactory.build(cron_expression="0 18 * * *", **fields)
    return made


def test_it_previews_a_row_in_its_own_time_zone() -> None:
    runs = upcoming(row(timezone="Asia/Shanghai"), 2, MONDAY).runs
    assert [f"{at:%H:%M%z}" for at in runs] == ["18:00+0800"] * 2


def test_it_previews_nothing_for_a_row_that_is_off() -> None:
    assert upcoming(row(enabled=False), 6) == Upcoming()


def test_days_that_the_calendar_leaves_out_are_named_and_not_counted() -> None:
    coming = upcoming(row(run_calendar="weekdays"), 2, FRIDAY)
    assert [at.date() for at in coming.runs] == [date(2026, 3, 6), date(2026, 3, 9)]
    assert coming.left_out == (date(2026, 3, 7), date(2026, 3, 8))


def test_a_day_with_many_slots_is_left_out_once() -> None:
    minutes = JobConfigFactory.build(cron_expression="* * * * *", run_calendar="weekdays")
    saturday = FRIDAY + timedelta(days=1)
    coming = upcoming(minutes, 1, saturday)
    assert [f"{at:%a %H:%M}" for at in coming.runs] == ["Mon 00:00"]
    assert len(coming.left_out) == 2


def test_a_calendar_without_run_days_is_looked_at_no_further_than_needed() -> None:
    coming = upcoming(row(run_calendar="never"), 6, MONDAY)
    assert (coming.runs, len(coming.left_out)) == ((), 400)


def test_a_pause_without_end_leaves_nothing_to_come() -> None:
    coming = upcoming(row(paused_at=MONDAY, paused_by="ann"), 6, MONDAY)
    assert (coming.runs, coming.pause) == ((), "paused by ann")


def test_after_a_pause_it_goes_on() -> None:
    until = datetime(2026, 3, 3, 10, tzinfo=UTC)
    coming = upcoming(row(paused_at=MONDAY, paused_until=until), 1, MONDAY)
    assert coming.runs == (until,)
    assert coming.pause.startswith("paused by")


def test_an_unknown_calendar_is_told_of() -> None:
    coming = upcoming(row(run_calendar="moon"), 1, MONDAY)
    assert (len(coming.runs), coming.doubt) == (1, "this version has no run calendar 'moon'")


@settings(max_examples=30)
@given(
    expression=st.sampled_from(["0 18 * * *", "30 */7 * * *", "0 0 * * 5,6", "15 23 1-9 * *"]),
    calendar=st.sampled_from(["every_day", "weekdays"]),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York"]),
    hours=st.integers(0, 5000),
    pause=st.none() | st.integers(1, 60),
)
def test_it_shows_just_the_slots_that_would_run(
    expression: str, calendar: str, zone: str, hours: int, pause: int | None
) -> None:
    after = MONDAY + timedelta(hours=hours)
    config = row(run_calendar=calendar, timezone=zone)
    config.cron_expression = expression
    if pause is not None:
        config.paused_at, config.paused_until = after, after + timedelta(hours=pause)
    shown = upcoming(config, 5, after).runs
    fired = islice(cron.fire_times(expression, zone, after), 60)
    run = [
        slot
        for slot in fired
        if policies.judge_slot(config, slot, slot, calendars.run_day(config, slot), Open()).status
        == Status.RUNNING
    ]
    assert list(shown) == run[:5]
