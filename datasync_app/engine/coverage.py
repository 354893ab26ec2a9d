"""What the ledger can prove of a dataset: which due cells are good, and which are not and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByExchangeYear, ByListStatus
from datasync_app.datasets.market import DAILY, EXCHANGES
from datasync_app.dates import market_day, show_date
from datasync_app.engine import horizon, ledger
from datasync_app.engine.plan import plan_dates
from datasync_app.errors import DatasyncError
from datasync_app.models import GOOD_STATES


@dataclass(frozen=True)
class Coverage:
    """What is good and what is not of the cells that should be.

    `open_cells` are due and not good; `waived` are not good either, but nothing depends on them.
    `absences` counts codes without a row for a known reason. `said` replaces the figures where
    there is nothing to count.
    """

    dataset: str
    first: str = ""
    last: str = ""
    good: int = 0
    rows: int = 0
    absences: int = 0
    not_due: int = 0
    open_cells: dict[str, str] = field(default_factory=dict)
    waived: dict[str, str] = field(default_factory=dict)
    said: str = ""
    was_fetched: bool = True

    @property
    def is_good(self) -> bool:
        return self.was_fetched and not self.open_cells

    def sentence(self) -> str:
        if self.said:
            return f"{self.dataset}: {self.said}"
        text = (
            f"{self.dataset} {self.first} to {self.last}: {self.good} of "
            f"{self.good + len(self.open_cells)} cells good, {self.rows} rows, {self.absences} "
            "absences with a reason"
        )
        return f"{text}, {self.not_due} not due yet" if self.not_due else text

    def as_json(self) -> dict[str, object]:
        return {
            "dataset": self.dataset,
            "first": self.first,
            "last": self.last,
            "cells_good": self.good,
            "cells_open": self.open_cells,
            "cells_waived": self.waived,
            "cells_not_due_yet": self.not_due,
            "rows": self.rows,
            "absences_with_a_reason": self.absences,
        }


def cover(
    dataset: Dataset, start: dt.date | None, end: dt.date | None, *, now: dt.datetime
) -> Coverage:
    """The coverage of a range, by default from the horizon of the daily data to today.

    The cells come from the declaration, never from what happens to be in the ledger: a gap there
    is just what must be seen.

    Raises:
        DatasyncError: the range is empty.
        CalendarUnknown: which days were open cannot be told.
    """
    if isinstance(dataset.cut, ByListStatus):
        return _coverage(dataset, dataset.cut.all())
    first = start or horizon.of(DAILY)
    last = min(end or market_day(now), market_day(now))
    if first is None:
        return Coverage(dataset.name, said="nothing was ever fetched", was_fetched=False)
    if end is not None and first > end:
        raise DatasyncError(f"The range is empty: {show_date(first)} lies after {show_date(end)}.")
    if isinstance(dataset.cut, ByExchangeYear):
        years = range(max(first, dataset.first_date).year, last.year + 1)
        cut = dataset.cut
        cells = [cut.of(exchange, year) for exchange in EXCHANGES for year in years]
        return _coverage(dataset, cells, waivable=True)
    plan = plan_dates(dataset, first, last, now=now)
    if not plan.due and not plan.not_due:
        said = f"no open day from {show_date(first)} to {show_date(last)}"
        return Coverage(dataset.name, said=said)
    cells = sorted(plan.due, key=lambda cell: cell.key)
    return _coverage(dataset, cells, since=show_date(first), not_due=len(plan.not_due))


def _coverage(
    dataset: Dataset,
    cells: Sequence[Cell],
    *,
    since: str = "",
    not_due: int = 0,
    waivable: bool = False,
) -> Coverage:
    entries = ledger.entries(dataset, cells)
    good = {key: entry for key, entry in entries.items() if entry.state in GOOD_STATES}
    open_cells: dict[str, str] = {}
    waived: dict[str, str] = {}
    for cell in cells:
        if cell.key in good:
            continue
        entry = entries.get(cell.key)
        why = f"{entry.state}: {entry.last_error}".rstrip(": ") if entry else "never fetched"
        # SZSE has the days of SSE, which is enough to plan by; a source may lack its calendar.
        twin = cell.key.replace("SZSE", "SSE")
        (waived if waivable and twin in good else open_cells)[cell.key] = why
    return Coverage(
        dataset=dataset.name,
        first=since or (cells[0].key if cells else ""),
        last=cells[-1].key if cells else "",
        good=len(good),
        rows=sum(entry.received_rows for entry in good.values()),
        absences=sum(len(entry.missing) for entry in good.values()),
        not_due=not_due,
        open_cells=open_cells,
        waived=waived,
    )
