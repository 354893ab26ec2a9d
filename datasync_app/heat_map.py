"""A dataset's year as a calendar: what the ledger says of each day, in a state, a sign and words."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.db.models import Max, Min
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import market_day
from datasync_app.engine import horizon
from datasync_app.engine.calendar import due_days_of_year
from datasync_app.errors import CalendarUnknown
from datasync_app.models import CellState, SyncLedger

NEVER = "never"
ACCEPTED = "accepted"
# Each state is told by its sign too: colours alone say nothing to many eyes.
SIGNS = {
    CellState.COMPLETE: "✓",
    CellState.EMPTY_CONFIRMED: "○",
    ACCEPTED: "A",
    CellState.DUE: "…",
    CellState.PARTIAL: "◐",
    CellState.TRUNCATED: "T",
    CellState.FAILED: "✕",
    NEVER: "?",
}
LABELS: dict[str, Promise | str] = {
    **{state: state.label for state in CellState},
    ACCEPTED: gettext_lazy("accepted by a person"),
    NEVER: gettext_lazy("never fetched"),
}
# A day with several cells is as good as its worst.
_DAYS = """
    SELECT cell_date, count(*), min(id), sum(received_rows),
        (array_agg(state ORDER BY array_position(
            ARRAY['failed', 'truncated', 'partial', 'due', 'complete', 'empty_confirmed'],
            state::text)))[1],
        bool_or(accepted_by <> ''), bool_or(doubt IS NOT NULL OR disputes <> '{}')
    FROM sync_ledger WHERE dataset = %s AND cell_date BETWEEN %s AND %s GROUP BY cell_date
"""


@dataclass(frozen=True)
class Day:
    """`state` is "" where nothing is due. `cell_id` is set where the day is a single cell;
    `is_disputed` where a sister dataset or a later answer disagrees."""

    date: dt.date
    state: str = ""
    cells: int = 0
    cell_id: int | None = None
    rows: int = 0
    is_disputed: bool = False

    @property
    def sign(self) -> str:
        return SIGNS.get(self.state, "") + ("!" if self.is_disputed else "")

    @property
    def said(self) -> str:
        """The day in words, such as `2026-03-02: complete, 5401 rows`."""
        words = [str(LABELS.get(self.state, _("nothing is due")))]
        if self.cells > 1:
            words.append(_("%d cells, this is the worst") % self.cells)
        if self.cells:
            words.append(_("%d rows") % self.rows)
        if self.is_disputed:
            words.append(_("in dispute or in doubt"))
        return f"{self.date}: {', '.join(words)}"


@dataclass(frozen=True)
class Month:
    """Weeks from Monday to Sunday; None stands for a day of another month."""

    first: dt.date
    weeks: list[list[Day | None]]


@dataclass(frozen=True)
class Count:
    """How many days of the year are in a state."""

    state: str
    sign: str
    label: str
    days: int


def years() -> dict[str, range]:
    """By dataset that the ledger has days of, the years of those days. One query."""
    dated = SyncLedger.objects.filter(cell_date__isnull=False).order_by()
    spans = dated.values_list("dataset").annotate(Min("cell_date"), Max("cell_date"))
    return {name: range(first.year, last.year + 1) for name, first, last in spans}


def months(dataset: Dataset, year: int, *, now: dt.datetime) -> list[Month]:
    """The year's months, the newest first, none that is still to come.

    The number of queries does not depend on what is held.
    """
    days = _days(dataset, year, now)
    weeks = calendar.Calendar()
    today = max([market_day(now), *days])
    last = today.month if today.year == year else 12
    return [
        Month(
            dt.date(year, month, 1),
            [
                [days.get(date, Day(date)) if date.month == month else None for date in week]
                for week in weeks.monthdatescalendar(year, month)
            ],
        )
        for month in range(last, 0, -1)
    ]


def counts(of_year: list[Month]) -> list[Count]:
    """Every state with its sign and its number of days: the legend."""
    states = [day.state for month in of_year for week in month.weeks for day in week if day]
    return [
        Count(state, sign, str(LABELS[state]), states.count(state)) for state, sign in SIGNS.items()
    ]


def _days(dataset: Dataset, year: int, now: dt.datetime) -> dict[dt.date, Day]:
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [dataset.name, dt.date(year, 1, 1), dt.date(year, 12, 31)])
        found = cursor.fetchall()
    days = {date: Day(date, state=NEVER) for date in _expected(dataset, year, now)}
    for date, cells, cell_id, rows, state, is_accepted, is_disputed in found:
        shown = ACCEPTED if is_accepted and state == CellState.COMPLETE else state
        days[date] = Day(date, shown, cells, cell_id if cells == 1 else None, rows, is_disputed)
    return days


def _expected(dataset: Dataset, year: int, now: dt.datetime) -> list[dt.date]:
    """The days from the horizon on that should be there by now, as far as anybody knows."""
    if not isinstance(dataset.cut, ByTradeDate):
        return []
    since = horizon.of(dataset)
    try:
        due = due_days_of_year(dataset, year, now=now)
    except CalendarUnknown:
        return []
    return [day for day in due if since is not None and day >= since]
