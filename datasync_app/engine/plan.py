"""What is to be fetched: expected cells minus good cells, newest first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import SHANGHAI, market_day
from datasync_app.engine import ledger
from datasync_app.engine.calendar import open_days
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

    @property
    def due(self) -> tuple[Cell, ...]:
        """Every cell that should be good by now."""
        return self.todo + self.waiting + self.good


def is_due(dataset: Dataset, date: dt.date, now: dt.datetime) -> bool:
    """Has the hour passed from which the source should have that trade date?"""
    if not dataset.due:
        raise ValueError(f"{dataset.name} is not cut by trade date")
    return now >= dt.datetime.combine(date, dataset.due[0], SHANGHAI)


def plan_dates(
    dataset: Dataset, start: dt.date, end: dt.date, *, now: dt.datetime, patient: bool = False
) -> Plan:
    """The open days of a range, both ends included.

    A `patient` plan leaves out cells whose next attempt lies ahead; a person's request does not.

    Raises:
        CalendarUnknown: see `open_days`.
    """
    if not isinstance(dataset.cut, ByTradeDate):
        raise ValueError(f"{dataset.name} is not cut by trade date")
    start = max(start, dataset.first_date)
    end = min(end, market_day(now))
    days = [dataset.cut.of(day) for day in reversed(open_days(start, end))]
    due = [cell for cell in days if cell.date and is_due(dataset, cell.date, now)]
    entries = ledger.entries(dataset, due)
    good, todo, waiting = [], [], []
    for cell in due:
        entry = entries.get(cell.key)
        if ledger.stands(entry, now):
            good.append(cell)
        elif patient and entry and entry.next_attempt_at and entry.next_attempt_at > now:
            waiting.append(cell)
        else:
            todo.append(cell)
    not_due = [cell for cell in days if cell.date and not is_due(dataset, cell.date, now)]
    return Plan(dataset, tuple(todo), tuple(good), tuple(waiting), tuple(not_due))


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


def _fetched_at(entry: SyncLedger | None) -> dt.datetime:
    never = dt.datetime.min.replace(tzinfo=dt.UTC)
    return never if entry is None or entry.state not in GOOD_STATES else entry.fetched_at or never


def first_horizon(dataset: Dataset, *, now: dt.datetime) -> dt.date:
    """The 20th due open day before now: how far back a fresh installation starts."""
    today = market_day(now)
    days = open_days(dt.date(today.year - 1, 1, 1), today)
    due = [day for day in days if is_due(dataset, day, now)]
    return due[-FIRST_DAYS:][0] if due else today
