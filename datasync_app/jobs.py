"""The six jobs, as thin entrances to the engine.

A job that leaves due cells behind fails with a sentence that names them; what it did store stays.

Every process knows the jobs, and few run them: what a run needs is loaded by the run.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from datasync_app.datasets import DAILY, FINA_INDICATOR, STOCK_BASIC
from datasync_app.dates import MarketDate, check_range, market_day, show_date
from datasync_app.engine import ledger, tasks
from datasync_app.engine.plan import FIRST_DAYS
from datasync_app.engine.report import DatasetReport, incomplete
from datasync_app.errors import Parked, SyncIncomplete, TaskStopped
from datasync_app.models import GOOD_STATES, SyncLedger
from datasync_app.session import Session, open_session
from scheduler_app.errors import RunCancelled
from scheduler_app.helpers import register_help
from scheduler_app.models import Cause
from scheduler_app.registry import register_job
from scheduler_app.run import Run

if TYPE_CHECKING:
    from datasync_app import daily

Result = Mapping[str, object]

A_DAY = dt.timedelta(days=1)
# What is asked for again about the same time is asked for in one run.
BETWEEN_FOLLOW_UPS = dt.timedelta(minutes=30)

# Two runs that start together (the first start queues both) need not fetch the same list twice.
JUST_FETCHED = dt.timedelta(minutes=10)
# A follow-up never comes at once: what could not be had now cannot be had a moment later.
SOON = dt.timedelta(minutes=1)


def _stock_list_missing() -> bool:
    held = SyncLedger.objects.filter(dataset=STOCK_BASIC.name, cell="L", state__in=GOOD_STATES)
    return not held.exists()


def _first_days_missing() -> bool:
    good = SyncLedger.objects.filter(dataset=DAILY.name, state__in=GOOD_STATES)
    return good.count() < FIRST_DAYS


@register_job(
    "sync_stock_basic",
    name="Stock list",
    default_cron="0 19 * * *",
    first_start=_stock_list_missing,
)
def sync_stock_basic(run: Run) -> Result:
    """Fetch the stock list in its four listing statuses, and this year's exchange calendar."""
    with _session(run) as session:
        today = market_day(session.now())
        # A run that goes on where the quota ended keeps what the run before it fetched.
        max_age = STOCK_BASIC.fresh_for if run.caused_by == Cause.FOLLOW_UP else JUST_FETCHED
        return _result(
            [
                session.engine.refresh_calendar(today, today),
                session.engine.refresh_stock_list(max_age=max_age),
            ]
        )


@register_job(
    "sync_daily_by_date",
    name="Daily market data",
    default_cron="0 18 * * *",
    first_start=_first_days_missing,
    check=check_range,
    helps={
        "start": _("Only trade dates from this one on; empty: from the horizon."),
        "end": _("Only trade dates up to this one; empty: up to today."),
    },
)
def sync_daily_by_date(
    run: Run, start: MarketDate | None = None, end: MarketDate | None = None
) -> Result:
    """Fill every missing or incomplete trade date from the horizon on, holes included."""
    from datasync_app import daily

    with _session(run) as session:
        return _end(run, session, daily.keep_up(session, start, end))


@register_job(
    "sync_daily_history",
    name="Daily market data, history",
    check=check_range,
    helps={"start": _("How far back; empty: to SYNC_START_DATE.")},
)
def sync_daily_history(run: Run, start: MarketDate | None = None) -> Result:
    """Move the horizon back to SYNC_START_DATE or a given date, newest first, in batches."""
    from datasync_app import daily

    batch_size = settings.SYNC_DAILY_HISTORY_BATCH_SIZE
    with _session(run, batch_size=batch_size) as session:
        first = start or settings.SYNC_START_DATE
        return _end(run, session, daily.go_back(session, first, batch_size=batch_size))


@register_job("sync_incremental_finance", name="Finance reports", default_cron="0 0 * * *")
def sync_incremental_finance(run: Run) -> Result:
    """Fetch reports: failed ones again, then disclosed ones, then companies that lack some."""
    from datasync_app.engine.finance.run import FinanceRun

    with _session(run) as session:
        result = _result(FinanceRun(session.engine).incremental())
        _follow_awaited(run, session)
        return result


@register_job(
    "sync_history_finance",
    name="Finance reports, history",
    check=check_range,
    helps={"start": _("The oldest period; empty: SYNC_FINANCE_HISTORY_START_DATE.")},
)
def sync_history_finance(run: Run, start: MarketDate | None = None) -> Result:
    """Fetch all reports from SYNC_FINANCE_HISTORY_START_DATE or a given date on, newest first."""
    from datasync_app.engine.finance.run import FinanceRun

    batch_size = settings.SYNC_FINANCE_HISTORY_BATCH_SIZE
    with _session(run, batch_size=batch_size) as session:
        first = start or settings.SYNC_FINANCE_HISTORY_START_DATE
        result = _result(FinanceRun(session.engine, batch_size=batch_size).history(first))
        _follow_awaited(run, session)
        return result


def _follow_awaited(run: Run, session: Session) -> None:
    """Ask again today for reports that may still come; what takes longer is for the next slot."""
    now = session.now()
    again = ledger.next_attempt([FINA_INDICATOR.name], after=session.task.started_at)
    if again is not None and again < now + A_DAY:
        run.follow_up(max(again, now + BETWEEN_FOLLOW_UPS))


@register_job("sync_concept_data", name="Concepts", default_cron="30 18 * * *")
def sync_concept_data(run: Run) -> Result:
    """Fetch concepts and their constituents, from the source that SYNC_CONCEPT_SOURCE names."""
    from datasync_app.engine import concepts

    with _session(run) as session:
        now = session.now()
        today = market_day(now)
        reports = []
        for source in concepts.candidates(settings.SYNC_CONCEPT_SOURCE):
            day = None
            if source.by_date:
                reports.append(session.engine.refresh_calendar(today - concepts.NEAR, today))
                day = concepts.latest_day(now)
            sync = concepts.ConceptSync(
                session.engine, source, day, session.guard.fenced, session.now
            )
            listed = sync.listed()
            reports.append(listed)
            if listed.denied:
                continue
            reports.append(sync.members())
            result = dict(_result(reports), source=source.name)
            if source.frozen:
                result["frozen"] = source.frozen
            if (again := concepts.second_look(source)) is not None:
                run.follow_up(again)
            return result
        return _result(reports)


@register_help(tasks.HISTORY_HELP)
def help_with_history(stop: threading.Event, *, task_id: int) -> bool:
    """Work on the shards of a history that runs elsewhere; whether there may be more to do later."""
    from datasync_app import history

    return history.help_with_history(stop, task_id=task_id)


@contextmanager
def _session(run: Run, *, batch_size: int = 50) -> Iterator[Session]:
    """The run's session. A run that leaves due cells behind asks for a follow-up.

    One that is parked, because only time is missing, ends as cancelled and not as failed.
    """
    now, began = timezone.now, timezone.now()
    try:
        with open_session(
            run.job_id,
            run,
            execution_id=run.execution_id,
            batch_size=batch_size,
            config={name: _shown(value) for name, value in run.kwargs.items()},
        ) as session:
            now, began = session.now, session.now()
            yield session
    except Parked as parked:
        run.follow_up(parked.until)
        raise RunCancelled(str(parked), parked.result) from parked
    except TaskStopped as stopped:
        raise RunCancelled(f"the task was {stopped}") from stopped
    except SyncIncomplete as incomplete:
        again = ledger.next_attempt(incomplete.result.keys(), after=began)
        if again is not None:
            run.follow_up(max(again, now() + SOON))
        raise


def _shown(value: object) -> object:
    return show_date(value) if isinstance(value, dt.date) else value


def _end(run: Run, session: Session, outcome: daily.Outcome) -> Result:
    """The run's summary, after a follow-up was asked for where more will come.

    A first start that holds all that is due leaves what comes later in the day to the schedule.
    """
    is_whole = all(report.is_good and not report.awaited for report in outcome.reports)
    is_left_to_the_schedule = run.caused_by == Cause.FIRST_START and is_whole
    if outcome.next_at is not None and not is_left_to_the_schedule:
        run.follow_up(max(outcome.next_at, session.now() + SOON))
    return _result(outcome.reports)


def _result(reports: Sequence[DatasetReport]) -> Result:
    """The run's summary. Raises SyncIncomplete, or Parked, when due cells are left open."""
    failed = [report for report in reports if not report.is_good and not report.denied]
    if failed:
        raise incomplete("; ".join(report.sentence() for report in failed) + ".", reports)
    result: dict[str, object] = {report.dataset: report.as_json() for report in reports}
    unavailable = [report.denied for report in reports if report.denied]
    if unavailable:
        result["not_available"] = unavailable
    return result
