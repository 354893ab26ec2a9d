"""The ledger: one row per dataset and cell, read for planning and written with the cell's rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.models import Min

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.engine.checks import Earlier, Verdict
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.models import GOOD_STATES, CellState, SyncLedger

FIRST_RETRY = dt.timedelta(minutes=30)
LONGEST_RETRY = dt.timedelta(hours=12)


def entries(dataset: Dataset, cells: Iterable[Cell]) -> dict[str, SyncLedger]:
    """The ledger rows of those cells that have one, by cell key."""
    keys = [cell.key for cell in cells]
    return {
        entry.cell: entry
        for entry in SyncLedger.objects.filter(dataset=dataset.name, cell__in=keys)
    }


def locked_entry(dataset: Dataset, cell: Cell) -> SyncLedger:
    """The cell's row, made if need be and locked: two writers of one cell take turns."""
    SyncLedger.objects.bulk_create(
        [SyncLedger(dataset=dataset.name, cell=cell.key, cell_date=cell.date, state=CellState.DUE)],
        ignore_conflicts=True,
    )
    return SyncLedger.objects.select_for_update().get(dataset=dataset.name, cell=cell.key)


def earlier_fetch(entry: SyncLedger) -> Earlier | None:
    if entry.missing_since is None:
        return None
    return Earlier(frozenset(entry.missing), entry.missing_since)


def write_verdict(
    entry: SyncLedger, verdict: Verdict, *, received: int, fingerprint: str, now: dt.datetime
) -> None:
    """Record a fetch whose rows were stored in the same transaction."""
    if entry.missing_since is None or set(entry.missing) != set(verdict.missing):
        entry.missing_since = now
    entry.attempts = 0 if verdict.state in GOOD_STATES else entry.attempts + 1
    entry.fetched_at = now
    entry.state = verdict.state
    entry.expected_rows = verdict.expected
    entry.received_rows = received
    entry.missing = dict(verdict.missing)
    entry.fingerprint = fingerprint
    entry.last_error = verdict.problem
    entry.next_attempt_at = None if verdict.state in GOOD_STATES else now + _wait(entry.attempts)
    entry.save()


def write_problem(
    entry: SyncLedger,
    state: CellState,
    problem: str,
    *,
    now: dt.datetime,
    retry_at: dt.datetime | None,
) -> None:
    """Record a fetch that stored nothing. A good cell stays good: its rows are still there."""
    entry.last_error = problem
    if entry.state not in GOOD_STATES:
        if state is not CellState.DUE:
            entry.attempts += 1
        # Rows of an earlier partial fetch are still held; saying less would be a lie.
        entry.state = state if not entry.received_rows else CellState.PARTIAL
        entry.next_attempt_at = retry_at or now + _wait(max(entry.attempts, 1))
    entry.save()


def next_attempt(datasets: Iterable[str]) -> dt.datetime | None:
    """When the first of their open cells is to be asked for again; denied ones wait for the token."""
    open_cells = SyncLedger.objects.filter(dataset__in=list(datasets)).exclude(
        state__in=GOOD_STATES
    )
    waiting = open_cells.exclude(last_error__startswith=NOT_AVAILABLE)
    earliest: dt.datetime | None = waiting.aggregate(at=Min("next_attempt_at"))["at"]
    return earliest


def _wait(attempts: int) -> dt.timedelta:
    """Growing waits between attempts: 30 minutes, doubled up to 12 hours."""
    doublings = min(max(attempts, 1) - 1, 10)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)
