"""What must be held before trade dates can be planned and judged: calendar and stock list.

Runs that start together take turns, so that none fetches what another just did.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from django.db import connections

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.market import (
    BSE_MAPPING,
    BY_EXCHANGE_YEAR,
    BY_LIST_STATUS,
    EXCHANGES,
    NAMECHANGE,
    STOCK_BASIC,
    TRADE_CAL,
    WHOLE,
)
from datasync_app.dates import market_day
from datasync_app.engine.closed_days import forget_closed_days
from datasync_app.engine.guard import Guard
from datasync_app.engine.plan import Plan, plan_fresh
from datasync_app.engine.renumbering import learn_from_bse_mapping
from datasync_app.engine.report import DatasetReport, incomplete

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.2
# The advisory lock under which shared prerequisites are refreshed by one run at a time.
PREREQUISITES_LOCK = 0x5354434B

RunPlan = Callable[[Plan], DatasetReport]


class Prerequisites:
    """Refreshes what is shared. `run` fetches a plan; `wait` is called while another run refreshes."""

    def __init__(
        self,
        run: RunPlan,
        *,
        guard: Guard,
        now: Callable[[], dt.datetime],
        wait: Callable[[], None],
    ) -> None:
        self._run = run
        self._guard = guard
        self._now = now
        self._wait = wait

    def refresh_calendar(self, start: dt.date, end: dt.date) -> DatasetReport:
        """The calendar years of a range, for both exchanges; past years are fetched once."""
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
            report = self._run(plan)
            if plan.calls:
                with self._guard.fenced():
                    forget_closed_days()
        with_sse = {
            cell.key for cell in cells if cell.key.replace("SZSE", "SSE") not in report.open_cells
        }
        report.waive(with_sse, "SSE's calendar of that year has the open days")
        return report

    def refresh_stock_list(self, *, max_age: dt.timedelta | None = None) -> DatasetReport:
        """The stock list in all statuses, unless it is younger than `max_age` [12 hours]."""
        age = STOCK_BASIC.fresh_for if max_age is None else max_age
        with self._alone(PREREQUISITES_LOCK):
            return self._run(plan_fresh(STOCK_BASIC, BY_LIST_STATUS.all(), age, now=self._now()))

    def refresh_lists(
        self, *datasets: Dataset, max_age: dt.timedelta | None = None
    ) -> list[DatasetReport]:
        """Names over time and renumbered codes, or one of them, unless they are fresh."""
        chosen = datasets or (BSE_MAPPING, NAMECHANGE)
        with self._alone(PREREQUISITES_LOCK):
            reports = [self._refresh_whole(dataset, max_age) for dataset in chosen]
            with self._guard.fenced():
                learn_from_bse_mapping()
        return reports

    def _refresh_whole(self, dataset: Dataset, max_age: dt.timedelta | None) -> DatasetReport:
        age = dataset.fresh_for if max_age is None else max_age
        return self._run(plan_fresh(dataset, WHOLE.all(), age, now=self._now()))

    @contextmanager
    def _alone(self, key: int) -> Iterator[None]:
        """Hold a session advisory lock: other runs, in any process, wait here, and stay cancellable."""
        pause = threading.Event()
        said = False
        while not _locked("SELECT pg_try_advisory_lock(%s)", key):
            self._guard.checkpoint()
            self._wait()
            if not said:
                logger.info("action=wait another run is refreshing calendar or stock list")
                said = True
            pause.wait(LOOK_AGAIN_SECONDS)
        try:
            yield
        finally:
            _locked("SELECT pg_advisory_unlock(%s)", key)


def refuse_to_plan_without(reports: Sequence[DatasetReport]) -> None:
    """Calendar and stock list must be there, unless this token may not ask for them.

    Raises:
        SyncIncomplete: without them no trade date can be planned or judged.
        Parked: they can be had, but not before the quota is free again.
    """
    # What the token may not ask for has a substitute; what failed has none.
    lacking = {
        f"{report.dataset} {key}": why
        for report in reports
        if not report.denied
        for key, why in report.open_cells.items()
    }
    if lacking:
        shown = "; ".join(f"{key} ({why})" for key, why in lacking.items())
        raise incomplete(f"Trade dates cannot be planned without {shown}.", reports)


def _locked(statement: str, key: int) -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, [key])
        return bool(cursor.fetchone()[0])
