"""Which reports are asked for now, step by step: what failed, what was disclosed, what is missing."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence

from datasync_app.datasets.finance import FINA_INDICATOR
from datasync_app.datasets.periods import report_periods, window_closes
from datasync_app.dates import market_day
from datasync_app.engine.finance.expected import Report, Scope, ask
from datasync_app.engine.finance.failures import FINANCE_JOB
from datasync_app.models import CellState, SyncLedger

# Reports of so many periods are read again weekly, as the source corrects them.
PERIODS_READ_AGAIN = 8
READ_AGAIN = dt.timedelta(days=7)


class Step(enum.StrEnum):
    """Where an expected report stands."""

    FAILED = "failed"
    """A call for it failed, or its company is on record for it, and tries are left."""
    DISCLOSED = "disclosed"
    """The company disclosed it, and what is held, if anything, is from before."""
    MISSING = "missing"
    """Its window has closed."""
    WAITING = "waiting"
    """Not good, but its next attempt lies ahead."""
    EXHAUSTED = "exhausted"
    """It failed as often as it may; a person or a new disclosure resets it."""
    AGAIN = "again"
    """Good, and to be asked for again by now: a person wants it, or the source may have it at last."""
    GOOD = "good"


# In this order; of the last only so many companies a run.
ASKED_FOR = (Step.FAILED, Step.DISCLOSED, Step.MISSING)
NOT_GOOD = (*ASKED_FOR, Step.WAITING, Step.EXHAUSTED)

STEPS = """
, record AS (
    SELECT code, retry_count >= max_retries AS is_used_up, last_attempt_at
    FROM sync_failure_record
    WHERE resolved_at IS NULL AND job_type = %(job)s
), tried AS (
    SELECT standing.*,
           coalesce(company.code, period.code) IS NOT NULL AS is_on_record,
           coalesce(company.is_used_up, period.is_used_up, false) AS is_used_up,
           coalesce(told_at > greatest(
               fetched_at, company.last_attempt_at, period.last_attempt_at), false) AS is_news
    FROM standing
    LEFT JOIN record AS company ON company.code = standing.ts_code
    LEFT JOIN record AS period ON period.code = to_char(standing.period, 'YYYYMMDD')
), step AS (
    SELECT tried.*,
           bool_or(fetched_at IS NOT NULL) OVER (PARTITION BY ts_code) AS was_ever_synced,
           CASE
               WHEN is_good AND next_attempt_at > %(now)s AND NOT is_news THEN 'good'
               WHEN is_good AND is_older_than_its_disclosure THEN 'disclosed'
               WHEN is_good AND next_attempt_at <= %(now)s THEN 'again'
               WHEN is_good THEN 'good'
               WHEN is_used_up AND next_attempt_at IS NULL AND NOT is_news AND state <> 'due'
                   THEN 'exhausted'
               WHEN next_attempt_at > %(now)s AND attempts > 0 AND NOT is_news THEN 'waiting'
               WHEN has_failed OR is_on_record THEN 'failed'
               WHEN disclosed IS NOT NULL THEN 'disclosed'
               ELSE 'missing'
           END AS step
    FROM tried
)
"""
_TODO = """
SELECT ts_code, period, closes, disclosed FROM step WHERE step = %(step)s
ORDER BY was_ever_synced AND %(step)s = 'missing', period DESC, disclosed DESC, ts_code
"""


def reports_of(step: Step, scope: Scope, *, now: dt.datetime) -> list[Report]:
    """The expected reports that stand there, newest first; missing ones of companies never synced
    come before all others.
    """
    values = {**scope.values(now), "now": now, "job": FINANCE_JOB, "step": step.value}
    return [Report(*row[:2], *row[2:]) for row in ask(STEPS + _TODO, values)]


def reports_lacking(scope: Scope, steps: Sequence[Step], *, now: dt.datetime) -> list[Report]:
    """The expected reports that stand at any of these steps, the newest period first."""
    found = [report for step in steps for report in reports_of(step, scope, now=now)]
    return sorted(found, key=lambda report: report.period, reverse=True)


def of_first_companies(reports: Sequence[Report], limit: int) -> list[Report]:
    """All reports of the companies that come first, at most `limit` of them."""
    first = set(list(dict.fromkeys(report.code for report in reports))[:limit])
    return [report for report in reports if report.code in first]


def companies_of(reports: Sequence[Report]) -> int:
    return len({report.code for report in reports})


def reports_to_read_again(now: dt.datetime) -> list[Report]:
    """Good reports of the last periods that were last read a week ago, the longest unread first."""
    today = market_day(now)
    periods = report_periods(dt.date(today.year - 3, 1, 1), today)[:PERIODS_READ_AGAIN]
    held = SyncLedger.objects.filter(
        dataset=FINA_INDICATOR.name,
        cell_date__in=periods,
        state=CellState.COMPLETE,
        fetched_at__lte=now - READ_AGAIN,
    )
    cells = held.order_by("fetched_at", "cell").values_list("cell", "cell_date")
    return [
        Report(cell.partition(":")[0], period, window_closes(period))
        for cell, period in cells
        if period is not None
    ]
