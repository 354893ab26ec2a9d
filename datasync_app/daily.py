"""What the daily jobs do: keep trade dates up to date, and go back in history."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from datasync_app import history
from datasync_app.datasets import DAILY_DATASETS
from datasync_app.dates import market_day
from datasync_app.engine import horizon, ledger
from datasync_app.engine.disk import refuse_without_room
from datasync_app.engine.due import due_times
from datasync_app.engine.looks import plan_looks
from datasync_app.engine.plan import Plan, plan_range
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.universe import Universe
from datasync_app.models import CellState, SyncLedger
from datasync_app.session import Session

# A day that is not whole so soon after it was due is late, and not missing anything yet.
LATE = dt.timedelta(hours=3)


@dataclass(frozen=True)
class Outcome:
    """What a run did, and when there will be more to do."""

    reports: list[DatasetReport]
    next_at: dt.datetime | None = None


def keep_up(session: Session, start: dt.date | None, end: dt.date | None) -> Outcome:
    """Every due cell that is not good, from the horizons or `start` on, holes included.

    1. Calendar and stock list, without which nothing can be planned.
    2. Names and renumbered codes, as far as they can be had.
    3. The daily datasets side by side.
    4. Second looks at good cells, unless a range was asked for.
    """
    began = session.now()
    engine, today = session.engine, market_day(began)
    last = min(end or today, today)
    firsts = _firsts(session, start)
    prepared = engine.prepare(min(firsts.values()), last)
    lists = engine.refresh_lists()
    for report in lists:
        report.excuse("no trade date waits for it")
    plans = [
        plan_range(dataset, firsts[dataset.name], last, now=session.now(), patient=True)
        for dataset in DAILY_DATASETS
    ]
    reports = engine.run_side_by_side(plans)
    if start is None and end is None:
        _look_again(session, reports)
    for plan, report in zip(plans, reports, strict=True):
        _await_late_cells(plan, report, now=session.now())
    moments = (_next_attempt(began), _next_due(plans, reports))
    next_at = min((at for at in moments if at is not None), default=None)
    return Outcome([*prepared, *lists, *reports], next_at)


def go_back(session: Session, start: dt.date, *, batch_size: int) -> Outcome:
    """The history down to `start`, newest first; the horizons follow what has been asked for.

    Raises:
        NotEnoughDisk: there is no room for it; nothing was fetched.
    """
    began = session.now()
    engine, today = session.engine, market_day(began)
    prepared = engine.prepare(start, today)
    lists = engine.refresh_lists()
    for report in lists:
        report.excuse("no trade date waits for it")
    plans = [plan_range(dataset, start, today, now=session.now()) for dataset in DAILY_DATASETS]
    if settings.DATABASE_IS_EMBEDDED:
        folder = settings.VAR_DIR
        free = shutil.disk_usage(folder).free
        refuse_without_room(plans, Universe.read(), free=free, folder=folder)
    reports = history.fetch(session, plans, start, today, size=batch_size)
    for plan, report in zip(plans, reports, strict=True):
        if not report.stopped:
            horizon.move_earlier(plan.dataset, start)
        _await_late_cells(plan, report, now=session.now())
    # What is not out yet is for the daily job.
    return Outcome([*prepared, *lists, *reports], _next_attempt(began))


def _firsts(session: Session, start: dt.date | None) -> dict[str, dt.date]:
    """From where on each dataset is kept; the first start sets the horizons.

    The 20th open day before now may lie in the year before: that needs its calendar.
    """
    if start is not None:
        return {dataset.name: start for dataset in DAILY_DATASETS}
    now = session.now()
    if any(horizon.of(dataset) is None for dataset in DAILY_DATASETS):
        today = market_day(now)
        session.engine.prepare(dt.date(today.year - 1, 1, 1), today)
    return {dataset.name: horizon.start(dataset, now=now) for dataset in DAILY_DATASETS}


def _look_again(session: Session, reports: Sequence[DatasetReport]) -> None:
    """Second looks where nothing stands in the way; what comes of them is added to the reports."""
    free = [
        (dataset, report)
        for dataset, report in zip(DAILY_DATASETS, reports, strict=True)
        if not report.stopped
    ]
    looks = [plan_looks(dataset, now=session.now()) for dataset, _report in free]
    for (_dataset, report), look in zip(free, session.engine.run_side_by_side(looks), strict=True):
        report.add_look(look)


def _await_late_cells(plan: Plan, report: DatasetReport, *, now: dt.datetime) -> None:
    """The source is still at it: a day that was due a short while ago is no failure yet."""
    late = {
        cell.key
        for cell in plan.todo + plan.waiting
        if cell.date and now - due_times(plan.dataset, cell.date)[0] < LATE
    }
    entries = SyncLedger.objects.filter(
        dataset=plan.dataset.name,
        cell__in=late & report.open_cells.keys(),
        state__in=[CellState.DUE, CellState.PARTIAL],
    )
    if not report.stopped:
        report.wait_for(set(entries.values_list("cell", flat=True)))


def _next_due(plans: Sequence[Plan], reports: Sequence[DatasetReport]) -> dt.datetime | None:
    """When the source should publish the next of these cells."""
    moments = (
        plan.next_due_at for plan, report in zip(plans, reports, strict=True) if not report.denied
    )
    return min((at for at in moments if at is not None), default=None)


def _next_attempt(began: dt.datetime) -> dt.datetime | None:
    """When the first of what is open is to be asked for again."""
    return ledger.next_attempt([dataset.name for dataset in DAILY_DATASETS], after=began)
