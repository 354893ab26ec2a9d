"""How far back a run has come: the date down to which it has accounted for every cell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from datasync_app.datasets.base import Cell


class Frontier:
    """Follows cells that are done in about the order of their plan, newest first."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self._done: set[str] = set()
        self._next = 0

    def note(self, cell: Cell) -> None:
        self._done.add(cell.key)
        while self._next < len(self._cells) and self._cells[self._next].key in self._done:
            self._done.discard(self._cells[self._next].key)
            self._next += 1

    @property
    def date(self) -> dt.date | None:
        """The date of the last cell with none open before it, where cells are dates."""
        return self._cells[self._next - 1].date if self._next else None
