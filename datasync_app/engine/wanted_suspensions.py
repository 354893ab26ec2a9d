"""Which suspensions a run asks for besides its plans: those that its days may be explained by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from datasync_app.datasets.base import Cell
from datasync_app.datasets.market import BY_TRADE_DATE, SUSPEND_D
from datasync_app.engine import ledger
from datasync_app.engine.checks import AGREEMENT_GAP
from datasync_app.engine.due import is_due
from datasync_app.engine.plan import Plan
from datasync_app.engine.suspensions_first import waits_for_suspensions
from datasync_app.models import GOOD_STATES, CellState, SyncLedger

# Suspensions come irregularly: those of a day that stays unexplained are read again at its retries.
LOOKED_UP_JUST_NOW = dt.timedelta(minutes=5)
MOST_DISPUTED = 50


def plan_suspensions(plans: Sequence[Plan], *, now: dt.datetime) -> list[Plan]:
    """One plan for `suspend_d`, or none: the dates of cells that are not good.

    A date whose suspensions are held is asked for once more while its bars are partial, and once
    after a code came into dispute: the list of suspensions may be what lacks it. A plan of `suspend_d`
    among the given ones covers the others.
    """
    waiting = [plan for plan in plans if waits_for_suspensions(plan.dataset)]
    covered = {cell.key for plan in plans if plan.dataset is SUSPEND_D for cell in plan.due}
    cells = {cell.key: cell for plan in waiting for cell in plan.todo if cell.date}
    held = ledger.entries(SUSPEND_D, cells.values())
    partial = SyncLedger.objects.filter(
        dataset__in=[plan.dataset.name for plan in waiting],
        cell__in=list(cells),
        state=CellState.PARTIAL,
    )
    unexplained = set(partial.values_list("cell", flat=True))
    todo, again = [], []
    for key in sorted(cells, reverse=True):
        entry = held.get(key)
        if entry is not None and entry.state in GOOD_STATES:
            if key in unexplained and _is_old(entry, now):
                again.append(_cell(cells[key]))
        elif key not in covered and is_due(SUSPEND_D, _date(cells[key]), now):
            todo.append(_cell(cells[key]))
    again += [cell for cell in _disputed(waiting) if cell not in again]
    if not todo and not again:
        return []
    return [Plan(SUSPEND_D, tuple(todo), tuple(again), again=tuple(again))]


def _disputed(plans: Sequence[Plan]) -> list[Cell]:
    """Dates with disputes whose suspensions were not read again since the cell was fetched."""
    names = [plan.dataset.name for plan in plans]
    entries = SyncLedger.objects.filter(dataset__in=names, state__in=GOOD_STATES)
    disputed = entries.exclude(disputes={}).order_by("-cell_date")[:MOST_DISPUTED]
    fetched = {
        entry.cell: entry.fetched_at + AGREEMENT_GAP for entry in disputed if entry.fetched_at
    }
    lists = SyncLedger.objects.filter(
        dataset=SUSPEND_D.name, cell__in=list(fetched), state__in=GOOD_STATES
    )
    return [
        Cell(entry.cell, entry.cell_date)
        for entry in lists.order_by("-cell_date")
        if entry.fetched_at and entry.fetched_at <= fetched[entry.cell]
    ]


def _is_old(entry: SyncLedger, now: dt.datetime) -> bool:
    return entry.fetched_at is None or now - entry.fetched_at >= LOOKED_UP_JUST_NOW


def _cell(cell: Cell) -> Cell:
    return BY_TRADE_DATE.of(_date(cell))


def _date(cell: Cell) -> dt.date:
    if cell.date is None:
        raise ValueError(f"{cell.key} has no date")
    return cell.date
