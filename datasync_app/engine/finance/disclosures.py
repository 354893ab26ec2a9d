"""Which days of `disclosure_date` are asked for: what happened, and what is planned."""

from __future__ import annotations

import datetime as dt

from datasync_app.datasets.base import Cell
from datasync_app.datasets.finance import ACTUAL, BY_DISCLOSURE_DAY, DISCLOSURE_DATE, PLANNED
from datasync_app.datasets.periods import open_periods, window_closes
from datasync_app.dates import market_day
from datasync_app.engine import horizon, ledger
from datasync_app.engine.plan import Plan
from datasync_app.models import GOOD_STATES, SyncLedger

# What happened on a day is told in the course of it and of the next ones.
SECOND_LOOKS = dt.timedelta(days=5)
SECOND_LOOK_AGE = dt.timedelta(hours=12)
# Plans are moved now and then, those of the coming week are looked at daily.
NEAR = dt.timedelta(days=7)
NEAR_AGE, PLAN_AGE = dt.timedelta(hours=20), dt.timedelta(days=7)
# Before the first open window, for companies that are late with their reports.
FIRST_DAYS = dt.timedelta(days=30)
DAY = dt.timedelta(days=1)


def first_day(now: dt.datetime) -> dt.date:
    """From which day on disclosures are kept: the stored horizon, or where a fresh start begins.

    That is where the first window that is open now began, and at least 30 days ago.
    """
    today = market_day(now)
    began = [period + DAY for period in open_periods(today)]
    return horizon.of(DISCLOSURE_DATE) or min([*began, today - FIRST_DAYS])


def plan_disclosures(
    first: dt.date, last: dt.date, *, now: dt.datetime, patient: bool = True
) -> Plan:
    """The days from first to last, newest first: past ones as they went, coming ones as planned.

    A `patient` plan leaves out cells whose next attempt lies ahead.
    """
    today = market_day(now)
    past = _days(first, min(last, today - DAY))
    closes = [window_closes(period) for period in open_periods(today)]
    coming = _days(today, min([last, max(closes)])) if closes else []
    cells = [BY_DISCLOSURE_DAY.of(ACTUAL, day) for day in past]
    cells += [BY_DISCLOSURE_DAY.of(PLANNED, day) for day in reversed(coming)]
    entries = ledger.entries(DISCLOSURE_DATE, cells)
    good, todo, waiting = [], [], []
    for cell in cells:
        entry = entries.get(cell.key)
        if entry and entry.state in GOOD_STATES and not _is_stale(cell, entry, now):
            good.append(cell)
        elif patient and ledger.waits(entry, now):
            waiting.append(cell)
        else:
            todo.append(cell)
    return Plan(DISCLOSURE_DATE, tuple(todo), tuple(good), tuple(waiting))


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every calendar day, newest first: companies disclose on Saturdays too."""
    return [last - DAY * n for n in range((last - first).days + 1)]


def _is_stale(cell: Cell, entry: SyncLedger, now: dt.datetime) -> bool:
    """Whether a good cell is to be looked at again. What is planned is no more asked for once past."""
    assert cell.date is not None  # noqa: S101
    today = market_day(now)
    age = now - entry.fetched_at if entry.fetched_at else PLAN_AGE
    if cell.key.startswith(ACTUAL):
        return cell.date >= today - SECOND_LOOKS and age >= SECOND_LOOK_AGE
    return age >= (NEAR_AGE if cell.date < today + NEAR else PLAN_AGE)
