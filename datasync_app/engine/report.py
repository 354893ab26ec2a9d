"""What a run did, cell by cell: the result of an execution and the output of `sync`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from datasync_app.dates import SHANGHAI
from datasync_app.engine.plan import Plan
from datasync_app.errors import Parked, SyncIncomplete
from datasync_app.models import GOOD_STATES, CellState

SHOWN_CELLS = 20


@dataclass
class DatasetReport:
    """The cells of one dataset in one run.

    `open_cells` are due and not good, with the reason; `waived` are not good either, but nothing
    depends on them, for the reason given; `awaited` were asked for and may still come, which is no
    failure; `left` says what was not asked for in this run. `denied` is why this token may not have
    the dataset, `token_refused` why it may have nothing at all. `reread` counts good
    cells that were read again, `unread` are those that could not be: they are good all the same.
    """

    dataset: str
    good_before: int = 0
    good_cells: set[str] = field(default_factory=set)
    not_due: int = 0
    rows: int = 0
    rows_of_last_cell: int = 0
    calls: int = 0
    open_cells: dict[str, str] = field(default_factory=dict)
    waived: dict[str, str] = field(default_factory=dict)
    awaited: dict[str, str] = field(default_factory=dict)
    left: str = ""
    stopped: str = ""
    denied: str = ""
    token_refused: str = ""
    parked_until: dt.datetime | None = None
    reread: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    again: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plan: Plan) -> DatasetReport:
        report = cls(plan.dataset.name, good_before=len(plan.good), not_due=len(plan.not_due))
        report.again = frozenset(cell.key for cell in plan.again)
        report.open_cells = {cell.key: "not fetched yet" for cell in plan.todo}
        report.open_cells |= {cell.key: "its next attempt lies ahead" for cell in plan.waiting}
        return report

    def note(self, cell_key: str, state: CellState, *, rows: int = 0, problem: str = "") -> None:
        if state in GOOD_STATES:
            self.open_cells.pop(cell_key, None)
            self.good_cells.add(cell_key)
        else:
            self.open_cells[cell_key] = f"{state}: {problem}" if problem else str(state)
            self.good_cells.discard(cell_key)
        self.reread += cell_key in self.again
        self.rows += rows
        self.rows_of_last_cell = rows

    def note_unread(self, cell_key: str, problem: str) -> None:
        """A good cell stays good when reading it again fails."""
        self.unread[cell_key] = problem
        self.open_cells.pop(cell_key, None)
        self.rows_of_last_cell = 0

    def close(self) -> None:
        """The run is over: what kept it only from reading good cells again is no failure."""
        if (
            self.stopped
            and self.again
            and not (self.open_cells or self.denied or self.token_refused)
        ):
            self.unread |= dict.fromkeys(self.again - self.good_cells, self.stopped)
            self.stopped, self.parked_until = "", None

    def add_look(self, look: DatasetReport) -> None:
        """Take over what reading good cells again came to."""
        self.rows += look.rows
        self.calls += look.calls
        self.reread += look.reread
        self.unread |= look.unread
        self.again |= look.again
        self.good_before -= len(look.open_cells.keys() - look.again)
        self.open_cells |= look.open_cells

    def excuse(self, why: str) -> None:
        """Nothing depends on this dataset: what is open of it is no failure of the run."""
        self.waive(set(self.open_cells), why)
        if not self.token_refused:
            self.stopped, self.parked_until = "", None

    def wait_for(self, keys: set[str]) -> None:
        """Take cells that may still come out of the verdict."""
        for key in keys & self.open_cells.keys():
            self.awaited[key] = self.open_cells.pop(key)

    def add(self, batch: DatasetReport) -> None:
        """Take over what a batch of this report's cells came to."""
        self.good_cells |= batch.good_cells
        self.open_cells = {
            key: why
            for key, why in (self.open_cells | batch.open_cells).items()
            if key not in self.good_cells
        }
        self.take(batch)

    def take(self, batch: DatasetReport) -> None:
        """Take over the rows and calls of a batch and what stopped it, without its cells."""
        self.rows += batch.rows
        self.calls += batch.calls
        self.reread += batch.reread
        self.unread |= batch.unread
        self.stopped = batch.stopped
        self.denied = batch.denied
        self.token_refused = batch.token_refused
        self.parked_until = batch.parked_until

    def waive(self, keys: set[str], why: str) -> None:
        """Take cells that are open out of the verdict: the run does not need them."""
        for key in keys & self.open_cells.keys():
            self.waived[key] = f"{self.open_cells.pop(key)}; {why}"

    @property
    def good(self) -> int:
        return (
            self.good_before
            + len(self.good_cells - self.again)
            - len(self.again & set(self.open_cells))
        )

    @property
    def is_good(self) -> bool:
        return not self.open_cells and not self.stopped

    def as_json(self) -> dict[str, object]:
        """For the execution's result; long lists of open cells are cut and counted."""
        shown = dict(sorted(self.open_cells.items(), reverse=True)[:SHOWN_CELLS])
        result: dict[str, object] = {
            "summary": self.sentence(),
            "cells_good": self.good,
            "cells_closed": len(self.good_cells - self.again),
            "rows": self.rows,
            "calls": self.calls,
        }
        if self.not_due:
            result["cells_not_due_yet"] = self.not_due
        if self.open_cells:
            result["cells_open"] = len(self.open_cells)
            result["open"] = shown
        if self.reread:
            result["cells_read_again"] = self.reread
        if self.unread:
            result["not_read_again"] = dict(sorted(self.unread.items(), reverse=True)[:SHOWN_CELLS])
        if self.waived:
            result["waived"] = self.waived
        if self.awaited:
            result["cells_awaited"] = len(self.awaited)
            result["awaited"] = dict(sorted(self.awaited.items(), reverse=True)[:SHOWN_CELLS])
        if self.left:
            result["left"] = self.left
        if self.stopped:
            result["stopped"] = self.stopped
        if self.denied:
            result["denied"] = self.denied
        if self.parked_until:
            result["parked_until"] = self.parked_until.isoformat()
        return result

    def sentence(self) -> str:
        """One line for people: what is good, and what is not."""
        total = self.good + len(self.open_cells)
        text = _(
            "%(dataset)s: %(good)d of %(total)d cells good, %(rows)d rows in %(calls)d calls"
        ) % {
            "dataset": self.dataset,
            "good": self.good,
            "total": total,
            "rows": self.rows,
            "calls": self.calls,
        }
        if self.denied:
            return f"{text}; {self.denied}"
        if self.open_cells:
            key, why = max(self.open_cells.items())
            said = _("%(count)d open, such as %(cell)s (%(why)s)")
            text += f"; {said % {'count': len(self.open_cells), 'cell': key, 'why': why}}"
        if self.awaited:
            text += "; " + _("%d awaited") % len(self.awaited)
        if self.left:
            text += f"; {self.left}"
        return f"{text}; {self.stopped}" if self.stopped else text


def incomplete(sentence: str, reports: Sequence[DatasetReport]) -> SyncIncomplete | Parked:
    """The end of a run that leaves cells open: failed, or parked where only time is missing."""
    result: dict[str, object] = {report.dataset: report.as_json() for report in reports}
    if refused := next((report.token_refused for report in reports if report.token_refused), ""):
        return SyncIncomplete(refused, result)
    waits = [report.parked_until for report in reports if report.parked_until is not None]
    if not waits:
        return SyncIncomplete(sentence, result)
    until = max(waits)
    shown = f"{until.astimezone(SHANGHAI):%Y-%m-%d %H:%M %z}"
    return Parked(f"{sentence} The run goes on at {shown}.", until, result)
