"""Trading days as a run calendar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from datasync_app import run_calendar
from datasync_app.models import CellState, SyncLedger, TradeCal
from scheduler_app.calendars import calendars
from scheduler_app.upcoming import upcoming
from tests.factories import JobConfigFactory

pytestmark = pytest.mark.django_db

FRIDAY, MONDAY, TUESDAY = (dt.date(2026, 3, day) for day in (6, 9, 10))


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    run_calendar._years.clear()
    yield
    run_calendar._years.clear()


@pytest.fixture
def held() -> None:
    """2026, of which three days are open."""
    SyncLedger.objects.create(dataset="trade_cal", cell="SSE:2026", state=CellState.COMPLETE)
    TradeCal.objects.bulk_create(
        TradeCal(exchange="SSE", cal_date=day, is_open=1) for day in (FRIDAY, MONDAY, TUESDAY)
    )


@pytest.mark.usefixtures("held")
def test_it_knows_the_open_days_of_a_year_that_is_held() -> None:
    assert calendars.on("exchange", FRIDAY).runs
    assert calendars.on("exchange", FRIDAY + dt.timedelta(days=1)).why == (
        "2026-03-07 is not a run day: trading days only"
    )


def test_a_year_that_is_not_held_runs_every_day_and_says_so() -> None:
    day = calendars.on("exchange", dt.date(2026, 3, 7))
    assert (day.runs, day.doubt) == (True, "the exchange calendar of 2026 is not held")


@pytest.mark.usefixtures("held")
def test_it_asks_the_database_once_for_many_days(django_assert_num_queries: object) -> None:
    config = JobConfigFactory.build(run_calendar="exchange", cron_expression="0 18 * * *")
    thursday = dt.datetime(2026, 3, 6, 4, tzinfo=dt.UTC)
    with django_assert_num_queries(2):  # type: ignore[operator]
        coming = upcoming(config, 3, thursday)
    assert [moment.date() for moment in coming.runs] == [FRIDAY, MONDAY, TUESDAY]
    assert coming.left_out == (dt.date(2026, 3, 7), dt.date(2026, 3, 8))


@pytest.mark.usefixtures("held")
def test_a_day_that_flips_is_seen_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 59.0, 61.0])
    monkeypatch.setattr("datasync_app.run_calendar.time.monotonic", lambda: next(clock))
    assert run_calendar.is_trading_day(TUESDAY)
    TradeCal.objects.filter(cal_date=TUESDAY).delete()
    assert run_calendar.is_trading_day(TUESDAY)
    assert not run_calendar.is_trading_day(TUESDAY)
