"""`manage.py sync` of the finance datasets, whose cells are not dates of one call each."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from datasync_app.datasets import DISCLOSURE_DATE, FINA_INDICATOR
from datasync_app.datasets.finance import FINA_BY_PERIOD
from datasync_app.dates import market_day
from datasync_app.engine.finance.calls import cheapest_calls, may_ask_by_period
from datasync_app.engine.finance.disclosures import first_day, plan_disclosures
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.plan import NOT_GOOD, reports_lacking
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.finance.standing import standing_of
from datasync_app.engine.report import DatasetReport
from datasync_app.errors import DatasyncError
from datasync_app.tushare.from_settings import current_access, current_limit

_CODE = re.compile(r"\d{6}\.(SH|SZ|BJ)")


@dataclass(frozen=True)
class Work:
    """What `sync` does for a dataset, and what it would: `dry_run` says it, with no call made."""

    dry_run: Callable[[], str]
    run: Callable[[FinanceRun], DatasetReport]


def finance_work(
    name: str,
    start: dt.date | None,
    end: dt.date | None,
    codes: str | None,
    *,
    now: dt.datetime,
) -> Work | None:
    """The work for a finance dataset, None for any other.

    Raises:
        DatasyncError: one of the codes is none.
    """
    if name == DISCLOSURE_DATE.name and codes is None:
        first, last = start or first_day(now), end or dt.date.max
        return Work(
            dry_run=lambda: _cost_of_days(first, last, now),
            run=lambda run: run.days(first, last),
        )
    if name == FINA_INDICATOR.name:
        since = start or settings.SYNC_FINANCE_HISTORY_START_DATE
        scope = Scope(since, end or market_day(now), _read_codes(codes))
        return Work(dry_run=lambda: _cost_of_reports(scope, now), run=lambda run: run.only(scope))
    return None


def _cost_of_days(first: dt.date, last: dt.date, now: dt.datetime) -> str:
    plan = plan_disclosures(first, last, now=now, patient=False)
    return _cost(DISCLOSURE_DATE.name, len(plan.todo), len(plan.good), len(plan.todo))


def _cost_of_reports(scope: Scope, now: dt.datetime) -> str:
    reports = reports_lacking(scope, NOT_GOOD, now=now)
    by_period = may_ask_by_period(current_access(FINA_BY_PERIOD.name))
    calls = cheapest_calls(reports, by_period=by_period)
    good = standing_of(scope, now=now).good
    return _cost(FINA_INDICATOR.name, len(reports), good, len(calls))


def _cost(name: str, cells: int, good: int, calls: int) -> str:
    quota = current_limit(name)
    minutes = max(calls - quota, 0) / quota
    return _(
        "%(dataset)s: %(cells)d cells to fetch, %(good)d good; %(calls)d calls, about %(minutes).1f "
        "minutes at %(quota)d calls a minute"
    ) % {
        "dataset": name,
        "cells": cells,
        "good": good,
        "calls": calls,
        "minutes": minutes,
        "quota": quota,
    }


def _read_codes(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    codes = tuple(code.strip() for code in text.split(","))
    for code in codes:
        if not _CODE.fullmatch(code):
            raise DatasyncError(
                _("--codes: %r is not a code such as 600000.SH, 000001.SZ or 920002.BJ.") % code
            )
    return codes
