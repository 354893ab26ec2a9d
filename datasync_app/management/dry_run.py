"""What a sync would fetch, and how long that takes at the current quota. No call is made."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils.translation import gettext as _

from datasync_app.datasets import DAILY_DATASETS, STOCK_BASIC, TRADE_CAL, get_dataset
from datasync_app.datasets.base import Dataset
from datasync_app.datasets.cuts import ByCodeYear, ByExchangeYear, ByListStatus, ByTradeDate, Whole
from datasync_app.datasets.finance import DISCLOSURE_DATE, FINA_INDICATOR
from datasync_app.datasets.market import EXCHANGES
from datasync_app.dates import market_day, show_date
from datasync_app.engine import horizon
from datasync_app.engine.estimate import estimate
from datasync_app.engine.plan import Plan, plan_fresh, plan_range
from datasync_app.engine.universe import Universe
from datasync_app.errors import DatasyncError
from datasync_app.management.finance import finance_work
from datasync_app.tushare.from_settings import current_limit

_DAILY = tuple(dataset.name for dataset in DAILY_DATASETS)
_FINANCE = (DISCLOSURE_DATE.name, FINA_INDICATOR.name)
_OF_JOB = {
    "sync_daily_by_date": _DAILY,
    "sync_daily_history": _DAILY,
    "sync_stock_basic": (TRADE_CAL.name, STOCK_BASIC.name),
    "sync_incremental_finance": _FINANCE,
    "sync_history_finance": _FINANCE,
}


def job_lines(
    job_id: str, start: dt.date | None, end: dt.date | None, *, now: dt.datetime
) -> list[str]:
    """A line for each dataset of the job.

    Raises:
        DatasyncError: nothing can be said of the job before it runs, or of one of its datasets.
    """
    if job_id not in _OF_JOB:
        raise DatasyncError(
            _("What %s fetches is on a list that it fetches first, so a dry run cannot tell.")
            % job_id
        )
    if job_id == "sync_daily_history":
        start = start or settings.SYNC_START_DATE
    return [line(name, start, end, now=now) for name in _OF_JOB[job_id]]


def line(
    name: str,
    start: dt.date | None,
    end: dt.date | None,
    *,
    codes: str | None = None,
    now: dt.datetime,
) -> str:
    """Cells, calls and time of one dataset.

    Raises:
        DatasyncError: it was never synced and no start is given; or the calendar is not held.
    """
    if (work := finance_work(name, start, end, codes, now=now)) is not None:
        return work.dry_run()
    dataset = get_dataset(name)
    today = market_day(now)
    if isinstance(dataset.cut, (ByTradeDate, ByCodeYear)):
        first, last = start or horizon.of(dataset), end or today
        if first is None:
            raise DatasyncError(_("%s was never synced here: say --start YYYYMMDD.") % name)
        plan = plan_range(dataset, first, last, now=now)
        return _said(
            plan,
            _("%(dataset)s %(first)s to %(last)s")
            % {"dataset": name, "first": show_date(first), "last": show_date(last)},
        )
    return _said(_plan_of_list(dataset, start or today, end or today, now=now), name)


def _plan_of_list(dataset: Dataset, start: dt.date, end: dt.date, *, now: dt.datetime) -> Plan:
    cut = dataset.cut
    if isinstance(cut, ByExchangeYear):
        years = range(start.year, end.year + 1)
        cells = [cut.of(exchange, year) for exchange in EXCHANGES for year in years]
        return plan_fresh(dataset, cells, dataset.fresh_for, now=now)
    assert isinstance(cut, (ByListStatus, Whole))  # noqa: S101 (the other cuts come by themselves)
    return plan_fresh(dataset, cut.all(), dt.timedelta(0), now=now)


def _said(plan: Plan, what: str) -> str:
    quota = current_limit(plan.dataset.name)
    costs = estimate(plan, quota=quota, universe=Universe.read())
    told = {
        "what": what,
        "cells": costs.cells,
        "again": costs.again,
        "good": len(plan.good),
        "not_due": len(plan.not_due),
        "calls": costs.calls,
        "minutes": costs.minutes,
        "quota": quota,
    }
    if costs.again:
        return (
            _(
                "%(what)s: %(cells)d cells to fetch, %(again)d to read again, %(good)d good, "
                "%(not_due)d not due yet; %(calls)d calls, about %(minutes).1f minutes at %(quota)d "
                "calls a minute"
            )
            % told
        )
    return (
        _(
            "%(what)s: %(cells)d cells to fetch, %(good)d good, %(not_due)d not due yet; %(calls)d "
            "calls, about %(minutes).1f minutes at %(quota)d calls a minute"
        )
        % told
    )
