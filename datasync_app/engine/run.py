"""One run of the engine: plan, fetch, check, store and account; endpoints side by side."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Cell, Dataset, Expectation
from datasync_app.datasets.market import SUSPEND_D
from datasync_app.engine import disputes
from datasync_app.engine.accounts import Accounts, Books
from datasync_app.engine.fetch import Fetched
from datasync_app.engine.frontier import Frontier
from datasync_app.engine.guard import Fence, Guard, OwnGuard
from datasync_app.engine.judge import Judge
from datasync_app.engine.lanes import Lanes
from datasync_app.engine.plan import Plan, plan_range
from datasync_app.engine.prerequisites import (
    PREREQUISITES_LOCK,
    Prerequisites,
    refuse_to_plan_without,
)
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.suspensions_first import SuspensionsFirst, waits_for_suspensions
from datasync_app.engine.wanted_suspensions import plan_suspensions
from datasync_app.models import CellState
from datasync_app.tushare.access import Access
from datasync_app.tushare.outcomes import TransportFailure

if TYPE_CHECKING:
    from datasync_app.tushare.client import TushareClient

__all__ = ["PREREQUISITES_LOCK", "Books", "Engine", "Guard", "OwnGuard"]

logger = logging.getLogger(__name__)

# So many transport failures in a row are an outage: going on would cost hours and prove nothing.
OUTAGE_FAILURES = 3


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
        self._prerequisites = Prerequisites(self.run, guard=guard, now=now, wait=on_wait)

    def prepare(self, start: dt.date, end: dt.date) -> list[DatasetReport]:
        """Hold the calendar of the range and a fresh stock list, fetching only what is not held.

        A token that may call `daily` alone does without: the calendar is then the library's, and a
        day is compared with its neighbours only.

        Raises:
            SyncIncomplete: without them no trade date can be planned or judged.
            Parked: they can be had, but not before the quota is free again.
        """
        reports = [self.refresh_calendar(start, end), self.refresh_stock_list()]
        refuse_to_plan_without(reports)
        return reports

    def refresh_calendar(self, start: dt.date, end: dt.date) -> DatasetReport:
        """The calendar years of a range, for both exchanges; past years are fetched once."""
        return self._prerequisites.refresh_calendar(start, end)

    def refresh_stock_list(self, *, max_age: dt.timedelta | None = None) -> DatasetReport:
        """The stock list in all statuses, unless it is younger than `max_age` [12 hours]."""
        return self._prerequisites.refresh_stock_list(max_age=max_age)

    def refresh_lists(
        self, *datasets: Dataset, max_age: dt.timedelta | None = None
    ) -> list[DatasetReport]:
        """Names over time and renumbered codes, or one of them, unless they are fresh.

        No date waits for them.
        """
        return self._prerequisites.refresh_lists(*datasets, max_age=max_age)

    def sync_dates(
        self,
        dataset: Dataset,
        start: dt.date,
        end: dt.date,
        *,
        patient: bool = False,
    ) -> DatasetReport:
        """Every due cell of the range, newest first, with the suspensions that explain its days.

        `prepare` comes before.
        """
        plan = plan_range(dataset, start, end, now=self._now(), patient=patient)
        return self.run_side_by_side([plan])[0]

    @property
    def fence(self) -> Fence:
        """The transaction in which a run writes, for whoever keeps books."""
        return self._guard.fenced

    def now(self) -> dt.datetime:
        return self._now()

    def access(self, api_name: str) -> Access:
        """What is known of the endpoint for this token, with no call made."""
        return self._client.limiters.knowledge.of(api_name, self._now())

    def run_side_by_side(
        self,
        plans: Sequence[Plan],
        *,
        batch: int = 0,
        on_batch: Callable[[Mapping[str, dt.date]], None] = lambda reached: None,
    ) -> list[DatasetReport]:
        """Run plans of different datasets, each at its endpoint's own quota.

        The suspensions of days that are not explained yet are asked for with them, where none of the
        plans does. After every `batch` trade dates, and at the end, days are settled and `on_batch`
        is told for each dataset the date down to which every cell was asked for.
        """
        wanted = plan_suspensions(plans, now=self._now())
        run = _Batches(batch * len(plans), on_batch)
        return self._run([*plans, *wanted], shown=len(plans), batches=run)[: len(plans)]

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
        return self._run([plan], books=books, announced=announced)[0]

    def _run(
        self,
        plans: Sequence[Plan],
        *,
        books: Books | None = None,
        announced: bool = False,
        shown: int | None = None,
        batches: _Batches | None = None,
    ) -> list[DatasetReport]:
        """Run the plans; the first `shown` of them, or all, are what progress is about."""
        reports = [DatasetReport.of(plan) for plan in plans]
        if not any(plan.calls for plan in plans):
            return reports
        if not announced:
            self._on_plan(sum(len(plan.calls) for plan in plans[:shown]))
        judge = Judge.read()
        accounts = Accounts(self._guard, judge, self._now)
        batches = batches or _Batches()
        frontiers = [Frontier(plan.calls) for plan in plans]
        failures = [0] * len(plans)
        unsettled: set[dt.date] = set()

        def account(at: int, fetched: Fetched) -> None:
            report = reports[at]
            report.calls += 1
            accounts.account(plans[at].dataset, fetched, report, books)
            if shown is None or at < shown:
                self._on_cell(report, fetched.cell)
            failures[at] = failures[at] + 1 if _has_failed(fetched) else 0
            if failures[at] >= OUTAGE_FAILURES and not report.stopped:
                report.stopped = f"stopped after {OUTAGE_FAILURES} failed calls in a row"
            if report.stopped:
                lanes.stop(at)
            else:
                frontiers[at].note(fetched.cell)
            if fetched.cell.date:
                unsettled.add(fetched.cell.date)
            if batches.is_full_with_one_more():
                end_batch()

        def end_batch() -> None:
            disputes.settle(unsettled, judge, fence=self._guard.fenced)
            unsettled.clear()
            reached = {
                plan.dataset.name: frontier.date
                for plan, frontier in zip(plans[:shown], frontiers, strict=False)
                if frontier.date
            }
            batches.on_batch(reached)

        order = SuspensionsFirst(plans)
        with Lanes(
            self._client,
            plans,
            tick=self._tick,
            codes_of=lambda cell: _codes_of(judge, cell),
            typing=books is None,
        ) as lanes:
            for arrival in lanes:
                for at, fetched in order.take(*arrival):
                    account(at, fetched)
            for at, fetched in order.rest():
                account(at, fetched)
        self._judge_again(plans, reports, judge)
        end_batch()
        for report in reports:
            report.close()
            logger.info("action=dataset_done dataset=%s %s", report.dataset, report.sentence())
        return reports

    def _tick(self) -> None:
        self._guard.checkpoint()
        self._on_wait()

    def judge_again(self, plans: Sequence[Plan], reports: Sequence[DatasetReport]) -> None:
        """Close days that lacked another to be compared with, whoever fetched that."""
        self._judge_again(plans, reports, Judge.read())

    def _judge_again(
        self, plans: Sequence[Plan], reports: Sequence[DatasetReport], judge: Judge
    ) -> None:
        """Close days that only lacked another to be compared with, or their suspensions."""
        by_name = {report.dataset: report for report in reports}
        suspended = any(plan.dataset is SUSPEND_D for plan in plans)
        for dataset in DATASETS.values():
            report = by_name.get(dataset.name)
            if not (report or (suspended and waits_for_suspensions(dataset))):
                continue
            if dataset.expectation is not Expectation.LISTED_CODES:
                continue
            for cell in judge.again(dataset, fence=self._guard.fenced, now=self._now()):
                if report and cell.key in report.open_cells:
                    report.note(cell.key, CellState.COMPLETE)


@dataclass
class _Batches:
    """Counts cells up to `size` (0: there are no batches)."""

    size: int = 0
    on_batch: Callable[[Mapping[str, dt.date]], None] = lambda reached: None
    counted: int = 0

    def is_full_with_one_more(self) -> bool:
        self.counted += 1
        return bool(self.size) and self.counted % self.size == 0


def _codes_of(judge: Judge, cell: Cell) -> list[str]:
    """The codes that a cell may hold, for answers that must be split by code."""
    if judge.universe is None:
        return []
    return sorted(judge.universe.listed_on(cell.date) if cell.date else judge.universe.codes)


def _has_failed(fetched: Fetched) -> bool:
    return isinstance(fetched.outcome, TransportFailure)
