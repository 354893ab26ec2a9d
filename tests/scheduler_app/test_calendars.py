"""Run calendars: what they say of a day, and what is done where they cannot say."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import OperationalError

from scheduler_app.calendars import CalendarRegistry, run_day
from scheduler_app.errors import SchedulerError, UnknownRunDay
from tests.factories import JobConfigFactory

FRIDAY, SATURDAY = date(2026, 3, 6), date(2026, 3, 7)


@pytest.fixture
def calendars() -> CalendarRegistry:
    made = CalendarRegistry()
    made.register("weekdays", "Monday to Friday", lambda day: day.weekday() < 5)
    return made


def broken(error: Exception) -> CalendarRegistry:
    def is_run_day(day: date) -> bool:
        raise error

    made = CalendarRegistry()
    made.register("broken", "Broken", is_run_day)
    return made


def test_it_says_of_a_day_whether_it_is_a_run_day(calendars: CalendarRegistry) -> None:
    assert calendars.on("weekdays", FRIDAY).runs
    closed = calendars.on("weekdays", SATURDAY)
    assert not closed.runs
    assert closed.why == "2026-03-07 is not a run day: Monday to Friday"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UnknownRunDay("the calendar of 2031 is not held"), "the calendar of 2031 is not held"),
        (ZeroDivisionError("by zero"), "the run calendar broken failed: by zero"),
    ],
)
def test_a_day_that_it_cannot_judge_runs_and_says_so(error: Exception, words: str) -> None:
    day = broken(error).on("broken", FRIDAY)
    assert (day.runs, day.doubt) == (True, words)


def test_a_calendar_that_this_version_does_not_have_runs_every_day() -> None:
    day = CalendarRegistry().on("moon", FRIDAY)
    assert (day.runs, day.doubt) == (True, "this version has no run calendar 'moon'")


def test_a_database_that_is_away_is_no_doubt() -> None:
    with pytest.raises(OperationalError):
        broken(OperationalError("gone")).on("broken", FRIDAY)


def test_a_name_is_taken_once(calendars: CalendarRegistry) -> None:
    with pytest.raises(SchedulerError, match="weekdays is registered twice"):
        calendars.register("weekdays", "Other", lambda day: True)


def test_the_day_of_a_slot_is_that_of_the_schedules_own_time_zone() -> None:
    slot = datetime(2026, 3, 6, 18, tzinfo=UTC)
    assert run_day(JobConfigFactory.build(timezone="Asia/Shanghai"), slot).day == SATURDAY
    assert run_day(JobConfigFactory.build(timezone="America/New_York"), slot).day == FRIDAY
