"""Runs of the finance datasets: what is disclosed, then the reports themselves, in their order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.conf import settings

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.finance import (
    DISCLOSURE_DATE,
    FINA_BY_COMPANY,
    FINA_BY_PERIOD,
    FINA_INDICATOR,
)
from datasync_app.dates import market_day
from datasync_app.engine import horizon
from datasync_app.engine.finance.books import FinanceBooks
from datasync_app.engine.finance.calls import (
    Calls,
    calls_by_company,
    cheapest_calls,
    may_ask_by_period,
)
from datasync_app.engine.finance.disclosures import first_day, plan_disclosures
from datasync_app.engine.finance.expected import Report, Scope
from datasync_app.engine.finance.plan import (
    ASKED_FOR,
    NOT_GOOD,
    Step,
    companies_of,
    of_first_companies,
    reports_lacking,
    reports_of,
    reports_to_read_again,
)
from datasync_app.engine.finance.standing import standing_of
from datasync_app.engine.plan import Plan
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import Engine

# By company, so many nights share the weekly second look.
NIGHTS = 7


class FinanceRun:
    """One run over the reports of a scope. Every call is accounted for in its own transaction."""

    def __init__(self, engine: Engine, *, batch_size: int | None = None) -> None:
        self._engine = engine
        self._batch_size = batch_size
        self.report = DatasetReport(FINA_INDICATOR.name)

    def incremental(self) -> list[DatasetReport]:
        """Failures again, then what was disclosed, then companies that lack reports, then a second look.

        Of the third at most SYNC_INCREMENTAL_MISSING_LIMIT companies a run.
        """
        today = market_day(self._engine.now())
        scope = Scope(settings.SYNC_FINANCE_HISTORY_START_DATE, today)
        prepared = [self._engine.refresh_stock_list(), self.disclosures()]
        for step in (*ASKED_FOR, Step.AGAIN):
            reports = reports_of(step, scope, now=self._engine.now())
            if step is Step.MISSING:
                reports = of_first_companies(reports, settings.SYNC_INCREMENTAL_MISSING_LIMIT)
            self.fetch(reports)
        self.fetch(self._second_look())
        return [*prepared, self._summed_up(scope)]

    def history(self, first: dt.date) -> list[DatasetReport]:
        """Every report since then that is not good, newest first, and every day of disclosures.

        What the disclosures of long ago newly name is fetched at the end.
        """
        scope = Scope(first, market_day(self._engine.now()))
        prepared = [self._engine.refresh_stock_list()]
        self.fetch(self._lacking(scope))
        prepared.append(self.disclosures(first))
        self.fetch(self._lacking(scope))
        return [*prepared, self._summed_up(scope)]

    def only(self, scope: Scope) -> DatasetReport:
        """Every report of the scope that is not good, also those whose next attempt lies ahead."""
        stocks = self._engine.refresh_stock_list()
        if stocks.stopped:
            return stocks
        self.fetch(reports_lacking(scope, NOT_GOOD, now=self._engine.now()))
        return self._summed_up(scope, strict=True)

    def days(self, first: dt.date, last: dt.date) -> DatasetReport:
        """The days of `disclosure_date` from first to last; the horizon stays where it is."""
        return self._engine.run(
            plan_disclosures(first, last, now=self._engine.now(), patient=False)
        )

    def disclosures(self, first: dt.date | None = None) -> DatasetReport:
        """The days of `disclosure_date` from the horizon on, which `first` moves."""
        now = self._engine.now()
        since = min(first or first_day(now), first_day(now))
        plan = plan_disclosures(since, dt.date.max, now=now)
        report = self._engine.run(plan)
        if not report.stopped:
            horizon.move_earlier(DISCLOSURE_DATE, since)
        return report

    def fetch(self, reports: Sequence[Report]) -> None:
        """Fetch reports by the cheapest calls; none any more after something stopped the run."""
        if self._is_stopped() or not reports:
            return
        calls = cheapest_calls(reports, by_period=self._may_ask_by_period())
        left = self._by_period(calls)
        if self._is_stopped():
            return
        rest = [report for call in (*left, *calls.by_company) for report in calls.covers[call.key]]
        by_company = calls_by_company(rest)
        self._run(FINA_BY_COMPANY, by_company, by_company.by_company)

    def _by_period(self, calls: Calls) -> list[Cell]:
        """Make the calls for whole periods; those that must be made by company instead."""
        if not calls.by_period:
            return []
        books, part = self._run(FINA_BY_PERIOD, calls, calls.by_period)
        if part.stopped and not self._may_ask_by_period():
            # Neither a denial nor a spent quota of the one endpoint stops the other.
            self.report.stopped = self.report.denied = ""
            self.report.parked_until = None
            return [call for call in calls.by_period if call.key not in part.good_cells]
        return books.cut

    def _run(
        self, dataset: Dataset, calls: Calls, made: Sequence[Cell]
    ) -> tuple[FinanceBooks, DatasetReport]:
        books = FinanceBooks(dataset, calls, fence=self._engine.fence, now=self._engine.now)
        total = DatasetReport(dataset.name)
        size = self._batch_size or max(len(made), 1)
        for offset in range(0, len(made), size):
            batch = Plan(dataset, tuple(made[offset : offset + size]), good=())
            total.add(self._engine.run(batch, books=books))
            if total.stopped:
                break
        self.report.take(total)
        return books, total

    def _second_look(self) -> list[Report]:
        """What is a week old; by company a seventh of it, so that every night has its share."""
        again = reports_to_read_again(self._engine.now())
        if self._may_ask_by_period():
            return again
        return of_first_companies(again, -(-companies_of(again) // NIGHTS))

    def _lacking(self, scope: Scope) -> list[Report]:
        return reports_lacking(scope, ASKED_FOR, now=self._engine.now())

    def _is_stopped(self) -> bool:
        return bool(self.report.stopped)

    def _may_ask_by_period(self) -> bool:
        return may_ask_by_period(self._engine.access(FINA_BY_PERIOD.name))

    def _summed_up(self, scope: Scope, *, strict: bool = False) -> DatasetReport:
        standing = standing_of(scope, now=self._engine.now())
        standing.write_into(self.report, strict=strict)
        return self.report
