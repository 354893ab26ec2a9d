"""What is to be fetched: expected cells minus good cells, newest first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByCodeYear, ByTradeDate
from datasync_app.dates import market_day
from datasync_app.engine import ledger
from datasync_app.engine.calendar import due_days_of_year, open_days
from datasync_app.engine.due import is_due, last_due, next_due
from datasync_app.models import GOOD_STATES, SyncLedger

FIRST_DAYS = 20


@dataclass(frozen=True)
class Plan:
    """Cells of one dataset. `todo` is what to fetch now, in order; the rest says why not."""

    dataset: Dataset
    todo: tuple[Cell, ...]
    good: tuple[Cell, ...]
    waiting: tuple[Cell, ...] = ()
    """Not good, but their next attempt lies ahead."""
    not_due: tuple[Cell, ...] = ()
    again: tuple[Cell, ...] = ()
    """Good, to be read once more; they stay good until their new rows are judged."""
    next_due_at: dt.datetime | None = None
    """When the source should publish more of the range."""

    @property
    def due(self) -> tuple[Cell, ...]:
        """Every cell that should be good by now."""
        return self.todo + self.waiting + self.good

    @property
    def calls(self) -> tuple[Cell, ...]:
        """The cells to ask for; what is missing comes before what is only looked at again."""
        return self.todo + self.again


def plan_range(
    dataset: Dataset,
    start: dt.date,
    end: dt.date,
    *,
    now: dt.datetime,
    patient: bool = False,
) -> Plan:
    """The cells of a range, both ends included, whichever way its trade dates are cut.

    A `patient` plan leaves out cells whose next attempt lies ahead; a person's request does not.
    What is cut by code is an index, and SYNC_INDEX_CODES says which.

    Raises:
        CalendarUnknown: see `open_days`.
    """
    if isinstance(dataset.cut, ByCodeYear):
        codes = settings.SYNC_INDEX_CODES
        return _plan_years(dataset, dataset.cut, codes, start, end, now=now, patient=patient)
    return plan_dates(dataset, start, end, now=now, patient=patient)


def plan_dates(
    dataset: Dataset, start: dt.date, end: dt.date, *, now: dt.datetime, patient: bool = False
) -> Plan:
    """The open days of a range, as `plan_range`."""
    if not isinstance(dataset.cut, ByTradeDate):
        raise ValueError(f"{dataset.name} is not cut by trade date")
    start = max(start, dataset.first_date)
    end = min(end, market_day(now))
    dates = _days_with_rows(dataset, start, end)
    days = [dataset.cut.of(day) for day in reversed(dates)]
    due = [cell for cell in days if cell.date and is_due(dataset, cell.date, now)]
    published = {cell.key: last_due(dataset, cell.date, now) for cell in due if cell.date}
    entries = ledger.entries(dataset, due)
    sorted_out = _sorted_out(due, entries, now=now, patient=patient)
    again = tuple(
        cell
        for cell in sorted_out.good
        if _to_be_read_again(entries[cell.key], published[cell.key], now)
    )
    return Plan(
        dataset,
        sorted_out.todo,
        sorted_out.good,
        sorted_out.waiting,
        tuple(cell for cell in days if cell.key not in published),
        again,
        next_due(dataset, dates[-1:], now),
    )


def _plan_years(
    dataset: Dataset,
    cut: ByCodeYear,
    codes: Sequence[str],
    start: dt.date,
    end: dt.date,
    *,
    now: dt.datetime,
    patient: bool,
) -> Plan:
    """Years of each code. One is good only while it was fetched after its last day came out."""
    end = min(end, market_day(now))
    days = {
        year: due_days_of_year(dataset, year, now=now)
        for year in range(end.year, max(start, dataset.first_date).year - 1, -1)
    }
    due = [cut.of(code, year) for year, dates in days.items() if dates for code in codes]
    entries = ledger.entries(dataset, due)
    sorted_out = _sorted_out(due, entries, now=now, patient=patient)
    outdated = tuple(
        cell
        for cell in sorted_out.good
        if _to_be_read_again(
            entries[cell.key], last_due(dataset, days[int(cell.key[-4:])][-1], now), now
        )
    )
    return Plan(
        dataset,
        sorted_out.todo + outdated,
        tuple(cell for cell in sorted_out.good if cell not in outdated),
        sorted_out.waiting,
        next_due_at=next_due(dataset, open_days(end, end), now),
    )


def plan_fresh(
    dataset: Dataset, cells: list[Cell], max_age: dt.timedelta | None, *, now: dt.datetime
) -> Plan:
    """Cells without a trade date: those that are not good, or older than `max_age` (None: never)."""
    entries = ledger.entries(dataset, cells)
    todo: list[Cell] = []
    good: list[Cell] = []
    for cell in cells:
        entry = entries.get(cell.key)
        fresh = (
            entry is not None
            and ledger.stands(entry, now)
            and entry.fetched_at is not None
            and (max_age is None or now - entry.fetched_at < max_age)
        )
        (good if fresh else todo).append(cell)
    # What was never had comes before what is only old: under a small quota it would starve.
    todo.sort(key=lambda cell: _fetched_at(entries.get(cell.key)))
    return Plan(dataset, tuple(todo), tuple(good))


def first_horizon(dataset: Dataset, *, now: dt.datetime) -> dt.date:
    """The 20th due open day before now: how far back a fresh installation starts."""
    today = market_day(now)
    days = open_days(dt.date(today.year - 1, 1, 1), today)
    due = [day for day in days if is_due(dataset, day, now)]
    return due[-FIRST_DAYS:][0] if due else today


@dataclass(frozen=True)
class _Sorted:
    todo: tuple[Cell, ...]
    good: tuple[Cell, ...]
    waiting: tuple[Cell, ...]


def _days_with_rows(dataset: Dataset, start: dt.date, end: dt.date) -> list[dt.date]:
    """Open days, and of the time when the calendar is not to be relied on every day, oldest first."""
    days = open_days(start, end)
    if dataset.closed_days_before is None or start >= dataset.closed_days_before:
        return days
    last = min(end, dataset.closed_days_before - dt.timedelta(days=1))
    early = {start + dt.timedelta(days=n) for n in range((last - start).days + 1)}
    return sorted({*days, *early})


def _sorted_out(
    cells: Iterable[Cell], entries: Mapping[str, SyncLedger], *, now: dt.datetime, patient: bool
) -> _Sorted:
    good, todo, waiting = [], [], []
    for cell in cells:
        entry = entries.get(cell.key)
        if entry and entry.state in GOOD_STATES:
            good.append(cell)
        elif patient and ledger.waits(entry, now):
            waiting.append(cell)
        else:
            todo.append(cell)
    return _Sorted(tuple(todo), tuple(good), tuple(waiting))


def _to_be_read_again(
    entry: SyncLedger, published_at: dt.datetime | None, now: dt.datetime
) -> bool:
    """Was more published since, or is it to be asked for again by now (`reset`, a doubt)?"""
    return not ledger.stands(entry, now) or _is_older(entry, published_at)


def _is_older(entry: SyncLedger, moment: dt.datetime | None) -> bool:
    return moment is not None and entry.fetched_at is not None and entry.fetched_at < moment


def _fetched_at(entry: SyncLedger | None) -> dt.datetime:
    never = dt.datetime.min.replace(tzinfo=dt.UTC)
    return never if entry is None or entry.state not in GOOD_STATES else entry.fetched_at or never
