"""One run of the engine: plan, fetch, check, store and account, for one dataset at a time.

The engine does not know who started it. Whoever did gives it a `Guard`: a `checkpoint()` that
raises when the run should end, and a `fenced()` transaction that refuses when it has been replaced.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Protocol

from django.db import connections, transaction

from datasync_app.datasets import STOCK_BASIC, TRADE_CAL
from datasync_app.datasets.base import Cell, Dataset, Expectation
from datasync_app.datasets.market import BY_EXCHANGE_YEAR, BY_LIST_STATUS, EXCHANGES
from datasync_app.dates import market_day
from datasync_app.engine import ledger
from datasync_app.engine.denial import NOT_ACCEPTED, NOT_AVAILABLE
from datasync_app.engine.fetch import Fetched, fetch_cells
from datasync_app.engine.judge import judge_again, judge_cell
from datasync_app.engine.plan import Plan, plan_dates, plan_fresh
from datasync_app.engine.report import DatasetReport, incomplete
from datasync_app.engine.rows import TypedRows
from datasync_app.engine.store import Fence, store_cell
from datasync_app.engine.universe import Universe
from datasync_app.models import CellState
from datasync_app.tushare.access import Access
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.outcomes import (
    Answer,
    AnswerKind,
    DenialKind,
    Denied,
    RateLimited,
    SourceAway,
    TransportFailure,
    TushareError,
)

logger = logging.getLogger(__name__)

# So many transport failures in a row are an outage: going on would cost hours and prove nothing.
OUTAGE_FAILURES = 3
# A quota by minute is free again after it, whatever else is not known.
QUOTA_WINDOW = dt.timedelta(minutes=1)
LOOK_AGAIN_SECONDS = 0.2
# The advisory lock under which shared prerequisites are refreshed by one run at a time.
PREREQUISITES_LOCK = 0x5354434B


class Guard(Protocol):
    def checkpoint(self) -> None: ...

    def fenced(self) -> AbstractContextManager[None]: ...


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


class OwnGuard:
    """For runs that nobody can replace or cancel: the foreground command and tests."""

    def checkpoint(self) -> None:
        return

    def fenced(self) -> AbstractContextManager[None]:
        return transaction.atomic()


class Engine:
    """Runs plans.

    `on_plan(cells)` is called with how many cells are about to be fetched, `on_cell(report, cell)`
    after each has been accounted for, `on_wait()` about once a second while calls are under way:
    waiting for quota is not death.
    """

    def __init__(
        self,
        client: TushareClient,
        *,
        guard: Guard,
        now: Callable[[], dt.datetime],
        on_plan: Callable[[int], None] = lambda cells: None,
        on_cell: Callable[[DatasetReport, Cell], None] = lambda report, cell: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._guard = guard
        self._now = now
        self._on_plan = on_plan
        self._on_cell = on_cell
        self._on_wait = on_wait

    def prepare(self, start: dt.date, end: dt.date) -> list[DatasetReport]:
        """Hold the calendar of the range and a fresh stock list, fetching only what is not held.

        A token that may call `daily` alone does without: the calendar is then the library's, and a
        day is compared with its neighbours only.

        Raises:
            SyncIncomplete: without them no trade date can be planned or judged.
            Parked: they can be had, but not before the quota is free again.
        """
        reports = [self.refresh_calendar(start, end), self.refresh_stock_list()]
        # What the token may not ask for has a substitute; what failed has none.
        lacking = {
            f"{report.dataset} {key}": why
            for report in reports
            if not report.denied
            for key, why in report.open_cells.items()
        }
        if lacking:
            shown = "; ".join(f"{key} ({why})" for key, why in lacking.items())
            sentence = f"Trade dates cannot be planned without {shown}."
            raise incomplete(sentence, reports)
        return reports

    def refresh_calendar(self, start: dt.date, end: dt.date) -> DatasetReport:
        """The calendar years of a range, for both exchanges; past years are fetched once.

        Runs that start together take turns, here and below, so that none fetches what another just did.
        """
        first = max(start.year, TRADE_CAL.first_date.year)
        cells = [
            BY_EXCHANGE_YEAR.of(exchange, year)
            for year in range(end.year, first - 1, -1)
            for exchange in EXCHANGES
        ]
        this_year = market_day(self._now()).year
        current = [cell for cell in cells if int(cell.key[-4:]) >= this_year]
        past = [cell for cell in cells if cell not in current]
        with self._alone(PREREQUISITES_LOCK):
            fresh = plan_fresh(TRADE_CAL, current, TRADE_CAL.fresh_for, now=self._now())
            held = plan_fresh(TRADE_CAL, past, None, now=self._now())
            plan = Plan(TRADE_CAL, fresh.todo + held.todo, fresh.good + held.good)
            report = self.run(plan)
        with_sse = {
            cell.key for cell in cells if cell.key.replace("SZSE", "SSE") not in report.open_cells
        }
        report.waive(with_sse, "SSE's calendar of that year has the open days")
        return report

    def refresh_stock_list(self, *, max_age: dt.timedelta | None = None) -> DatasetReport:
        """The stock list in all statuses, unless it is younger than `max_age` [12 hours]."""
        age = STOCK_BASIC.fresh_for if max_age is None else max_age
        with self._alone(PREREQUISITES_LOCK):
            plan = plan_fresh(STOCK_BASIC, BY_LIST_STATUS.all(), age, now=self._now())
            return self.run(plan)

    def sync_dates(
        self, dataset: Dataset, start: dt.date, end: dt.date, *, patient: bool = False
    ) -> DatasetReport:
        """Every due open day of the range, newest first. `prepare` comes before."""
        return self.run(plan_dates(dataset, start, end, now=self._now(), patient=patient))

    @property
    def fence(self) -> Fence:
        """The transaction in which a run writes, for whoever keeps books."""
        return self._guard.fenced

    def now(self) -> dt.datetime:
        return self._now()

    def access(self, api_name: str) -> Access:
        """What is known of the endpoint for this token, with no call made."""
        return self._client.limiters.knowledge.of(api_name, self._now())

    def run(
        self, plan: Plan, *, books: Books | None = None, announced: bool = False
    ) -> DatasetReport:
        """Fetch and store the plan's cells. What fails is in the report and in the ledger.

        With `books` the plan's cells are calls, and those keep the accounts. The cells of an
        `announced` plan, a batch of a larger one, are not counted once more for progress.

        Raises:
            SourceMismatch: the answers come from another source; nothing was stored.
            Whatever `checkpoint()` or `fenced()` raise to end the run.
        """
        report = DatasetReport.of(plan)
        if not plan.todo:
            return report
        if not announced:
            self._on_plan(len(plan.todo))
        dataset = plan.dataset
        judged_by_codes = dataset.expectation is Expectation.LISTED_CODES
        universe = Universe.read() if judged_by_codes else None
        with self._fetching(plan, universe, typing=books is None) as fetched_cells:
            failures_in_a_row = 0
            for fetched in fetched_cells:
                report.calls += 1
                self._account(dataset, fetched, universe, report, books)
                self._on_cell(report, fetched.cell)
                failed = isinstance(fetched.outcome, TransportFailure)
                failures_in_a_row = failures_in_a_row + 1 if failed else 0
                if failures_in_a_row >= OUTAGE_FAILURES:
                    report.stopped = f"stopped after {OUTAGE_FAILURES} failed calls in a row"
                if report.stopped:
                    break
        if judged_by_codes:
            self._judge_again(dataset, universe, report)
        logger.info("action=dataset_done dataset=%s %s", dataset.name, report.sentence())
        return report

    @contextmanager
    def _alone(self, key: int) -> Iterator[None]:
        """Hold a session advisory lock: other runs, in any process, wait here, and stay cancellable."""
        pause = threading.Event()
        said = False
        while not _locked("SELECT pg_try_advisory_lock(%s)", key):
            self._guard.checkpoint()
            self._on_wait()
            if not said:
                logger.info("action=wait another run is refreshing calendar or stock list")
                said = True
            pause.wait(LOOK_AGAIN_SECONDS)
        try:
            yield
        finally:
            _locked("SELECT pg_advisory_unlock(%s)", key)

    @contextmanager
    def _fetching(
        self, plan: Plan, universe: Universe | None, *, typing: bool
    ) -> Iterator[Iterator[Fetched]]:
        """The plan's answers as they come; however the block is left, waiting calls are told to end."""
        stopping = threading.Event()

        def tick() -> None:
            self._guard.checkpoint()
            self._on_wait()

        def codes_of(cell: Cell) -> list[str]:
            return sorted(universe.listed_on(cell.date)) if universe and cell.date else []

        fetched = fetch_cells(
            self._client,
            plan.dataset,
            plan.todo,
            cancelled=stopping.is_set,
            tick=tick,
            codes_of=codes_of,
            typing=typing,
        )
        with closing(fetched):
            try:
                yield fetched
            finally:
                stopping.set()

    def _account(
        self,
        dataset: Dataset,
        fetched: Fetched,
        universe: Universe | None,
        report: DatasetReport,
        books: Books | None,
    ) -> None:
        """Store an answer, or record its failure. One cell, one transaction."""
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
            self._store(dataset, cell, fetched.rows, outcome.source, universe, report)
        else:
            self._record(dataset, cell, CellState.FAILED, str(fetched.rows), report)

    def _store(
        self,
        dataset: Dataset,
        cell: Cell,
        rows: TypedRows,
        source: str,
        universe: Universe | None,
        report: DatasetReport,
    ) -> None:
        now = self._now()
        verdict = store_cell(
            dataset,
            cell,
            rows,
            source=source,
            judge=lambda rows, earlier: judge_cell(
                dataset, cell, rows, earlier, universe=universe, now=now
            ),
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
        report.note(cell.key, CellState(entry.state), problem=problem)
        logger.warning(
            "action=cell dataset=%s cell=%s state=%s problem=%s",
            dataset.name,
            cell.key,
            state,
            problem,
        )

    def _judge_again(
        self, dataset: Dataset, universe: Universe | None, report: DatasetReport
    ) -> None:
        """Close days that only lacked another to be compared with when they arrived."""
        closed = judge_again(dataset, universe=universe, fence=self._guard.fenced, now=self._now())
        for cell in closed:
            if cell.key in report.open_cells:
                report.note(cell.key, CellState.COMPLETE)


def _locked(statement: str, key: int) -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, [key])
        return bool(cursor.fetchone()[0])
