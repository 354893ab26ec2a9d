"""Judging a fetched cell by its dataset's declared expectation, with what the database knows."""

from __future__ import annotations

import datetime as dt
from typing import cast

from datasync_app.datasets.base import Cell, Dataset, Expectation
from datasync_app.engine import ledger, quarantine
from datasync_app.engine.calendar import days_of_year, due_days_of_year, open_days
from datasync_app.engine.checks import (
    Earlier,
    Reason,
    Reference,
    Verdict,
    judge_codes,
    judge_days,
)
from datasync_app.engine.guard import Fence
from datasync_app.engine.renumbering import Renumbering
from datasync_app.engine.rows import TypedRows
from datasync_app.engine.suspensions import may_not_be_asked_for, suspended_on
from datasync_app.engine.universe import Universe
from datasync_app.models import GOOD_STATES, CellState, SyncLedger

CLOSED_DAY = "the calendar has this day as closed; bars so old are real and are kept"
# The longest run of closed days on record, the New Year of 2020, has ten.
NEAR = dt.timedelta(days=15)


class Judge:
    """What the database knows, read once for a run.

    Without a `universe` a day is expected to have the codes of the date it is compared with.
    """

    def __init__(self, universe: Universe | None, renumbering: Renumbering) -> None:
        self.universe = universe
        self.renumbering = renumbering

    @classmethod
    def read(cls) -> Judge:
        return cls(Universe.read(), Renumbering.read())

    def verdict(
        self,
        dataset: Dataset,
        cell: Cell,
        rows: TypedRows,
        earlier: Earlier | None,
        *,
        now: dt.datetime,
    ) -> Verdict:
        """The verdict on the rows that came for a cell."""
        if not len(rows) and dataset.may_be_empty(cell):
            return Verdict(CellState.EMPTY_CONFIRMED, 0)
        if dataset.expectation is Expectation.EVERY_DAY_OF_YEAR:
            received = frozenset(cast("list[dt.date]", rows.column("cal_date")))
            return judge_days(days_of_year(_year(cell)), received)
        if dataset.expectation is Expectation.OPEN_DAYS:
            received = frozenset(cast("list[dt.date]", rows.column("trade_date")))
            expected = frozenset(due_days_of_year(dataset, _year(cell), now=now))
            return judge_days(expected, received, earlier=earlier, now=now)
        if dataset.expectation is Expectation.LISTED_CODES:
            codes = frozenset(cast("list[str]", rows.column("ts_code")))
            return self._judge_day(dataset, cell, codes, earlier, now=now)
        if not len(rows):
            return Verdict(CellState.DUE, problem="the source has no rows, and some must exist")
        return Verdict(CellState.COMPLETE, len(rows))

    def again(self, dataset: Dataset, *, fence: Fence, now: dt.datetime) -> list[Cell]:
        """Judge stored partial days once more, oldest first, by what came in since.

        Newest-first fetching stores a day before the one it is to be compared with, and suspensions
        may come after the bars. A day that closes is a nearer reference for the next, so it goes on
        until no further day closes. No call is made. Returns the cells that closed.
        """
        closed: list[Cell] = []
        while newly := self._closable(dataset, fence=fence, now=now):
            closed += newly
        return closed

    def _closable(self, dataset: Dataset, *, fence: Fence, now: dt.datetime) -> list[Cell]:
        """One round: close what can be closed now."""
        partial = SyncLedger.objects.filter(dataset=dataset.name, state=CellState.PARTIAL)
        closed = []
        for key, date in partial.order_by("cell_date").values_list("cell", "cell_date"):
            cell = Cell(key, date)
            with fence():
                entry = ledger.locked_entry(dataset, cell)
                if entry.state != CellState.PARTIAL:
                    continue
                lacking = quarantine.still_lacking(dataset, cell)
                held = _held_codes(dataset, cell) | lacking.keys()
                verdict = self._judge_day(dataset, cell, held, None, now=now)
                verdict = quarantine.with_quarantined(verdict, lacking, None, now)
                if verdict.state in GOOD_STATES:
                    entry.state = verdict.state
                    entry.missing = dict(verdict.missing)
                    entry.attempts, entry.next_attempt_at, entry.last_error = 0, None, ""
                    entry.save()
                    closed.append(cell)
        return closed

    def _judge_day(
        self,
        dataset: Dataset,
        cell: Cell,
        codes: frozenset[str],
        earlier: Earlier | None,
        *,
        now: dt.datetime,
    ) -> Verdict:
        date = cell.date
        if date is None:
            raise ValueError(f"{dataset.name} {cell.key} cannot be judged without a date")
        if _is_closed_day(dataset, date):
            return _of_closed_day(len(codes))
        reference: Reference | None = None
        if self.universe is None:
            reference = self._reference(dataset, date, good_only=False)
            if reference is None:
                problem = "there is neither a stock list nor another date to compare with yet"
                return Verdict(CellState.PARTIAL if codes else CellState.DUE, problem=problem)
            expected = reference.received
        else:
            expected = self.universe.listed_on(date)
        lacking = expected - codes
        denied = bool(lacking) and may_not_be_asked_for()
        return judge_codes(
            expected,
            codes,
            known=self._known(dataset, date, lacking, codes) if lacking else {},
            reference=lambda: reference or self._reference(dataset, date, good_only=not denied),
            presume=denied and not dataset.expects_suspended,
            earlier=earlier,
            now=now,
        )

    def _known(
        self,
        dataset: Dataset,
        date: dt.date,
        lacking: frozenset[str],
        received: frozenset[str],
    ) -> dict[str, Reason]:
        """The reasons that do not need another day; of several the last one written here counts."""
        reasons: dict[str, Reason] = {}
        if self.universe is not None:
            reasons |= dict.fromkeys(self.universe.paused, Reason.LISTING_PAUSED)
            before = self.universe.before_exchange(date)
            reasons |= dict.fromkeys(before, Reason.BEFORE_EXCHANGE)
        elsewhere = self.renumbering.elsewhere(lacking, received, date)
        reasons |= dict.fromkeys(elsewhere, Reason.RENUMBERED)
        if not dataset.expects_suspended:
            suspended = self.renumbering.under_both_numbers(suspended_on(date))
            reasons |= dict.fromkeys(suspended, Reason.SUSPENDED)
        return reasons

    def _reference(self, dataset: Dataset, date: dt.date, *, good_only: bool) -> Reference | None:
        """The day to compare with: the last good one before it; else the last before it with rows.

        Days that are not good would vouch for each other, and what a source lacks of all of them
        would never be missed. So they count only where suspensions cannot be asked for, and without
        them no first day would ever be good.

        Looked at forwards, resumptions and new listings only add codes, so few go missing from one
        day to the next. Only a day with nothing near before it is compared with what comes after,
        and only a day that stands alone with one far away: over years, hundreds of suspensions
        begin.
        """
        others = SyncLedger.objects.filter(dataset=dataset.name, received_rows__gt=0)
        others = others.exclude(expected_rows=0)  # a closed day is no measure for an open one
        if good_only:
            others = others.filter(state__in=GOOD_STATES)
        before = others.filter(cell_date__lt=date).order_by("-cell_date")
        after = others.filter(cell_date__gt=date).order_by("cell_date")
        near_before = before.filter(cell_date__gte=date - NEAR)
        near_after = after.filter(cell_date__lte=date + NEAR)
        for candidates in (near_before, near_after, before, after):
            good = candidates.filter(state__in=GOOD_STATES).first()
            if (entry := good or candidates.first()) is not None and entry.cell_date is not None:
                held = _held_codes(dataset, Cell(entry.cell, entry.cell_date))
                if self.universe is None:
                    return Reference(entry.cell_date, held, held)
                # Who is held there under the other number was not absent there.
                present = self.renumbering.under_both_numbers(held)
                return Reference(entry.cell_date, self.universe.listed_on(entry.cell_date), present)
        return None


def _held_codes(dataset: Dataset, cell: Cell) -> frozenset[str]:
    rows = dataset.model._default_manager.filter(dataset.cut.rows(cell))
    return frozenset(rows.values_list("ts_code", flat=True))


def _year(cell: Cell) -> int:
    return int(cell.key.rpartition(":")[2])


def _is_closed_day(dataset: Dataset, date: dt.date) -> bool:
    if dataset.closed_days_before is None or date >= dataset.closed_days_before:
        return False
    return not open_days(date, date)


def _of_closed_day(rows: int) -> Verdict:
    """Nobody is expected to trade on it; who did is kept, and the cell says so."""
    if not rows:
        return Verdict(CellState.EMPTY_CONFIRMED, 0)
    return Verdict(CellState.COMPLETE, 0, problem=CLOSED_DAY)
