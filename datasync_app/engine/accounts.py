"""What becomes of a fetched cell: its rows are stored, or its failure is written down."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.engine import ledger
from datasync_app.engine.denial import NOT_ACCEPTED, NOT_AVAILABLE
from datasync_app.engine.fetch import Fetched
from datasync_app.engine.guard import Guard
from datasync_app.engine.judge import Judge
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.rows import TypedRows
from datasync_app.engine.store import store_cell
from datasync_app.models import GOOD_STATES, CellState
from datasync_app.tushare.outcomes import (
    Answer,
    AnswerKind,
    DenialKind,
    Denied,
    RateLimited,
    SourceAway,
    TushareError,
    Uncounted,
)

logger = logging.getLogger(__name__)

# A quota by minute is free again after it, whatever else is not known.
QUOTA_WINDOW = dt.timedelta(minutes=1)


class Books(Protocol):
    """Keeps the accounts where a call is not one cell: finance reports come many cells to a call."""

    def store(self, call: Cell, answer: Answer, report: DatasetReport) -> None:
        """Write the rows of a whole answer with the ledger cells that it fills, and note them."""

    def record(
        self,
        call: Cell,
        state: CellState,
        problem: str,
        report: DatasetReport,
        *,
        retry_at: dt.datetime | None = None,
    ) -> None:
        """Write down that a call brought nothing, and why."""


class Accounts:
    """Keeps ledger, tables and report of a run in step. One cell, one transaction."""

    def __init__(self, guard: Guard, judge: Judge, now: Callable[[], dt.datetime]) -> None:
        self._guard = guard
        self._judge = judge
        self._now = now

    def account(
        self, dataset: Dataset, fetched: Fetched, report: DatasetReport, books: Books | None = None
    ) -> None:
        """Store an answer, or record its failure. With `books`, those keep the accounts."""
        cell, outcome = fetched.cell, fetched.outcome
        record = books.record if books else partial(self._record, dataset)
        if isinstance(outcome, TushareError):
            self._record_failure(dataset, cell, outcome, report, record)
        elif outcome.kind is AnswerKind.TRUNCATED:
            problem = f"the answer was cut at {len(outcome.items)} rows"
            record(cell, CellState.TRUNCATED, problem, report)
        elif books:
            books.store(cell, outcome, report)
        elif isinstance(fetched.rows, TypedRows):
            self._store(dataset, cell, fetched.rows, outcome.source, report)
        else:
            self._record(dataset, cell, CellState.FAILED, str(fetched.rows), report)

    def _store(
        self, dataset: Dataset, cell: Cell, rows: TypedRows, source: str, report: DatasetReport
    ) -> None:
        now = self._now()
        verdict = store_cell(
            dataset,
            cell,
            rows,
            source=source,
            judge=lambda rows, earlier: self._judge.verdict(dataset, cell, rows, earlier, now=now),
            fence=self._guard.fenced,
            now=now,
        )
        report.note(cell.key, verdict.state, rows=len(rows), problem=verdict.problem)
        logger.info(
            "action=cell dataset=%s cell=%s state=%s rows=%d", dataset.name, cell.key,
            verdict.state, len(rows),
        )  # fmt: skip

    def _record_failure(
        self,
        dataset: Dataset,
        cell: Cell,
        failure: TushareError,
        report: DatasetReport,
        record: Callable[..., None],
    ) -> None:
        """A denial or a spent quota belongs to the endpoint, so the cell stays due; others fail it."""
        retry_at = None
        state = CellState.FAILED
        problem = str(failure)
        if isinstance(failure, Denied):
            state = CellState.DUE
            if failure.kind is DenialKind.PERMISSION:
                problem = f"{NOT_AVAILABLE}: {failure}"
                report.denied = f"{dataset.name} is {problem}"
                report.stopped = NOT_AVAILABLE
            else:
                retry_at = self._note_refused_account(failure, report)
        elif isinstance(failure, RateLimited):
            state = CellState.DUE
            retry_at = failure.reset_at or self._now() + QUOTA_WINDOW
            report.stopped = f"the quota of {dataset.name} is spent: {failure}"
            report.parked_until = retry_at
        elif isinstance(failure, SourceAway):
            # No call was made, so the cell has not failed.
            state = CellState.DUE
            retry_at = failure.until
            report.stopped = f"the source is away: {failure}"
            report.parked_until = retry_at
        elif isinstance(failure, Uncounted):
            state = CellState.DUE
            retry_at = report.parked_until = failure.until
            report.stopped = str(failure)
        record(cell, state, problem, report, retry_at=retry_at)

    def _note_refused_account(self, failure: Denied, report: DatasetReport) -> dt.datetime:
        """The account itself is refused; when to try again. Addresses are released by time alone."""
        report.stopped = str(failure)
        again = self._now() + QUOTA_WINDOW
        again = max(failure.until, again) if failure.until else again
        if failure.kind is DenialKind.TOKEN:
            report.token_refused = f"{NOT_ACCEPTED} {failure}"
        else:
            report.parked_until = again
        return again

    def _record(
        self,
        dataset: Dataset,
        cell: Cell,
        state: CellState,
        problem: str,
        report: DatasetReport,
        *,
        retry_at: dt.datetime | None = None,
    ) -> None:
        with self._guard.fenced():
            entry = ledger.locked_entry(dataset, cell)
            ledger.write_problem(entry, state, problem, now=self._now(), retry_at=retry_at)
        if entry.state in GOOD_STATES:
            report.note_unread(cell.key, problem)
        else:
            report.note(cell.key, CellState(entry.state), problem=problem)
        logger.warning(
            "action=cell dataset=%s cell=%s state=%s problem=%s",
            dataset.name,
            cell.key,
            state,
            problem,
        )
