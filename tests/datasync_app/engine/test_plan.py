"""The plan is expected cells minus good cells."""

from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.datasets.market import BY_EXCHANGE_YEAR, DAILY, TRADE_CAL
from datasync_app.dates import SHANGHAI
from datasync_app.engine import horizon
from datasync_app.engine.calendar import open_days
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.engine.due import is_due
from datasync_app.engine.plan import plan_dates, plan_fresh
from datasync_app.errors import CalendarUnknown
from datasync_app.models import CellState, TradeCal
from tests.datasync_app.factories import LedgerFactory, hold_calendar

pytestmark = pytest.mark.django_db

# Friday evening in Shanghai, after the bars of the day are due.
NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI)
MONDAY, FRIDAY = dt.date(2020, 1, 6), dt.date(2020, 1, 10)


def keys(cells: tuple[object, ...]) -> list[str]:
    return [cell.key for cell in cells]  # type: ignore[attr-defined]


def test_a_hole_in_the_middle_is_planned() -> None:
    hold_calendar(2020)
    for day in (6, 7, 9, 10):
        LedgerFactory.create(cell_date=dt.date(2020, 1, day))
    assert keys(plan_dates(DAILY, MONDAY, FRIDAY, now=NOW).todo) == ["20200108"]


@pytest.mark.parametrize(
    "state", [CellState.DUE, CellState.PARTIAL, CellState.TRUNCATED, CellState.FAILED]
)
def test_only_good_cells_are_left_out(state: CellState) -> None:
    hold_calendar(2020)
    LedgerFactory.create(cell_date=FRIDAY, state=state)
    LedgerFactory.create(cell_date=dt.date(2020, 1, 9), state=CellState.EMPTY_CONFIRMED)
    plan = plan_dates(DAILY, dt.date(2020, 1, 9), FRIDAY, now=NOW)
    assert (keys(plan.todo), keys(plan.good)) == (["20200110"], ["20200109"])


def test_it_plans_newest_first_and_skips_closed_days() -> None:
    hold_calendar(2020, closed={dt.date(2020, 1, 8)})
    plan = plan_dates(DAILY, MONDAY, dt.date(2020, 1, 12), now=NOW)
    assert keys(plan.todo) == ["20200110", "20200109", "20200107", "20200106"]


def test_a_day_is_due_from_its_hour_on_in_shanghai() -> None:
    due = dt.datetime(2020, 1, 10, 17, 0, tzinfo=SHANGHAI)
    assert is_due(DAILY, FRIDAY, due)
    assert not is_due(DAILY, FRIDAY, due - dt.timedelta(seconds=1))


def test_a_day_that_is_not_due_yet_is_neither_missing_nor_asked_for() -> None:
    hold_calendar(2020)
    noon = dt.datetime(2020, 1, 10, 12, 0, tzinfo=SHANGHAI)
    plan = plan_dates(DAILY, FRIDAY, FRIDAY, now=noon)
    assert (keys(plan.todo), keys(plan.not_due)) == ([], ["20200110"])


def test_a_patient_plan_leaves_cells_whose_next_attempt_lies_ahead() -> None:
    hold_calendar(2020)
    later = NOW + dt.timedelta(minutes=5)
    LedgerFactory.create(
        cell_date=FRIDAY, state=CellState.PARTIAL, attempts=1, next_attempt_at=later
    )
    patient = plan_dates(DAILY, FRIDAY, FRIDAY, now=NOW, patient=True)
    assert (keys(patient.todo), keys(patient.waiting)) == ([], ["20200110"])
    assert keys(plan_dates(DAILY, FRIDAY, FRIDAY, now=NOW).todo) == ["20200110"]


def test_a_cell_that_was_never_answered_waits_for_nothing_of_its_own() -> None:
    """What kept it, such as a denial, belongs to the endpoint, and may be over by now."""
    hold_calendar(2020)
    later = NOW + dt.timedelta(minutes=5)
    LedgerFactory.create(cell_date=FRIDAY, state=CellState.DUE, next_attempt_at=later)
    patient = plan_dates(DAILY, FRIDAY, FRIDAY, now=NOW, patient=True)
    assert (keys(patient.todo), keys(patient.waiting)) == (["20200110"], [])


def test_a_year_without_a_good_calendar_is_no_holiday() -> None:
    hold_calendar(2020)
    with pytest.raises(CalendarUnknown, match="The calendar of 2019 is not held"):
        open_days(dt.date(2019, 12, 30), FRIDAY)


def test_a_day_is_open_when_either_exchange_is() -> None:
    hold_calendar(2020, closed={FRIDAY})
    TradeCal.objects.create(exchange="SZSE", cal_date=FRIDAY, is_open=1)
    assert open_days(dt.date(2020, 1, 9), FRIDAY) == [dt.date(2020, 1, 9), FRIDAY]


def test_a_list_is_fetched_again_when_it_is_too_old() -> None:
    cell = BY_EXCHANGE_YEAR.of("SSE", 2020)
    LedgerFactory.create(dataset="trade_cal", cell=cell.key, cell_date=None, fetched_at=NOW)
    day = dt.timedelta(hours=24)
    assert not plan_fresh(TRADE_CAL, [cell], day, now=NOW + day - dt.timedelta(seconds=1)).todo
    assert plan_fresh(TRADE_CAL, [cell], day, now=NOW + day).todo == (cell,)
    assert not plan_fresh(TRADE_CAL, [cell], None, now=NOW + 900 * day).todo


def test_the_first_horizon_is_the_twentieth_due_open_day() -> None:
    hold_calendar(2019)
    hold_calendar(2020)
    assert horizon.of(DAILY) is None
    assert horizon.start(DAILY, now=NOW) == dt.date(2019, 12, 16)
    noon = NOW + dt.timedelta(days=30)
    assert horizon.start(DAILY, now=noon) == dt.date(2019, 12, 16)


def test_the_horizon_only_moves_earlier() -> None:
    horizon.move_earlier(DAILY, dt.date(2019, 6, 3))
    horizon.move_earlier(DAILY, dt.date(2019, 9, 3))
    assert horizon.of(DAILY) == dt.date(2019, 6, 3)
    horizon.move_earlier(DAILY, dt.date(2019, 1, 3))
    assert horizon.of(DAILY) == dt.date(2019, 1, 3)


def test_the_library_stands_in_where_the_token_may_not_ask_for_the_calendar() -> None:
    LedgerFactory.create(
        dataset="trade_cal",
        cell="SSE:2019",
        cell_date=None,
        state=CellState.DUE,
        last_error=f"{NOT_AVAILABLE}: no permission",
    )
    # The week of the National Day of 2019, and no calendar of either year is held.
    assert open_days(dt.date(2019, 9, 30), dt.date(2019, 10, 8)) == [
        dt.date(2019, 9, 30),
        dt.date(2019, 10, 8),
    ]
    assert open_days(dt.date(2019, 12, 31), dt.date(2020, 1, 2)) == [
        dt.date(2019, 12, 31),
        dt.date(2020, 1, 2),
    ]


def test_beyond_the_library_nobody_guesses() -> None:
    LedgerFactory.create(
        dataset="trade_cal",
        cell="SSE:2019",
        cell_date=None,
        state=CellState.DUE,
        last_error=NOT_AVAILABLE,
    )
    with pytest.raises(CalendarUnknown, match="2099"):
        open_days(dt.date(2099, 1, 1), dt.date(2099, 2, 1))
