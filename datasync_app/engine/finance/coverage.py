"""What the ledger can prove of the finance datasets: by period for reports, by day for disclosures."""

from __future__ import annotations

import datetime as dt

from django.conf import settings

from datasync_app.datasets.base import Cell
from datasync_app.datasets.finance import DISCLOSURE_DATE
from datasync_app.dates import market_day, show_date
from datasync_app.engine import horizon
from datasync_app.engine.finance.disclosures import plan_disclosures
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.standing import PeriodStanding, by_period


def periods_of(
    start: dt.date | None, end: dt.date | None, *, now: dt.datetime
) -> list[PeriodStanding]:
    """How each period stands that has a report due, newest first; by default all that are kept."""
    today = market_day(now)
    first = start or settings.SYNC_FINANCE_HISTORY_START_DATE
    return by_period(Scope(first, min(end or today, today)), now=now)


def disclosure_cells(
    start: dt.date | None, end: dt.date | None, *, now: dt.datetime
) -> list[Cell] | None:
    """The days of `disclosure_date` that should be held; None where none was ever asked for."""
    first = start or horizon.of(DISCLOSURE_DATE)
    if first is None:
        return None
    plan = plan_disclosures(first, end or dt.date.max, now=now, patient=False)
    return sorted(plan.due, key=lambda cell: cell.key)


def in_words(periods: list[PeriodStanding]) -> dict[str, str]:
    return {show_date(standing.period): standing.sentence() for standing in periods}
