"""What the ledger can prove of a dataset: which due cells are good, and which are not and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import market_day, show_date
from datasync_app.engine import horizon, ledger
from datasync_app.engine.plan import plan_dates
from datasync_app.models import GOOD_STATES, SyncLedger


@dataclass(frozen=True)
class Coverage:
    """`open_cells` are due and not good. `missing` counts codes whose absence has a reason."""

    dataset: str
    first: str
    last: str
    good: int
    rows: int
    missing: int
    not_due: int = 0
    open_cells: dict[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not self.open_cells and self.good > 0

    def sentence(self) -> str:
        if not self.good and not self.open_cells:
            return f"{self.dataset}: nothing was ever fetched"
        text = (
            f"{self.dataset} {self.first} to {self.last}: {self.good} of "
            f"{self.good + len(self.open_cells)} cells good, {self.rows} rows, {self.missing} "
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
            "cells_not_due_yet": self.not_due,
            "rows": self.rows,
            "absences_with_a_reason": self.missing,
        }


def cover(
    dataset: Dataset, start: dt.date | None, end: dt.date | None, *, now: dt.datetime
) -> Coverage:
    """The coverage of a range; without `start` from the horizon on.

    Raises:
        CalendarUnknown: which days were open cannot be told.
    """
    if isinstance(dataset.cut, ByTradeDate):
        return _cover_dates(dataset, start, end, now)
    entries = SyncLedger.objects.filter(dataset=dataset.name).order_by("cell")
    return _coverage(dataset, [Cell(entry.cell) for entry in entries], 0)


def _cover_dates(
    dataset: Dataset, start: dt.date | None, end: dt.date | None, now: dt.datetime
) -> Coverage:
    first = start or horizon.of(dataset)
    if first is None:
        return Coverage(dataset.name, "", "", 0, 0, 0)
    plan = plan_dates(dataset, first, end or market_day(now), now=now)
    cells = sorted(plan.due, key=lambda cell: cell.key)
    return _coverage(dataset, cells, len(plan.not_due), since=show_date(first))


def _coverage(dataset: Dataset, cells: list[Cell], not_due: int, since: str = "") -> Coverage:
    entries = ledger.entries(dataset, cells)
    good = [entry for entry in entries.values() if entry.state in GOOD_STATES]
    open_cells = {}
    for cell in cells:
        entry = entries.get(cell.key)
        if entry is None:
            open_cells[cell.key] = "never fetched"
        elif entry.state not in GOOD_STATES:
            open_cells[cell.key] = f"{entry.state}: {entry.last_error}".rstrip(": ")
    return Coverage(
        dataset=dataset.name,
        first=since or (cells[0].key if cells else ""),
        last=cells[-1].key if cells else "",
        good=len(good),
        rows=sum(entry.received_rows for entry in good),
        missing=sum(len(entry.missing) for entry in good),
        not_due=not_due,
        open_cells=open_cells,
    )
