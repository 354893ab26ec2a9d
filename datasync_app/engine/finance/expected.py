"""Which reports are expected by now, and how each stands in the ledger, as one set query.

Expected: what a company disclosed, from the day after; and, disclosed or not, what a company listed
at the time had to publish by the end of the period's window. A delisted company's old reports count.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from datasync_app.datasets.finance import BY_COMPANY_PERIOD, FINA_INDICATOR
from datasync_app.datasets.periods import report_periods, window_closes
from datasync_app.dates import market_day
from datasync_app.engine.universe import BEIJING_FIRST_DAY

# A company is late with its report, or the source with its figures, for so long; then they lack.
LATE = dt.timedelta(days=15)

EXPECTED = """
WITH span AS (
    SELECT * FROM unnest(%(periods)s::date[], %(closes)s::date[]) AS span (period, closes)
), disclosed AS (
    SELECT coalesce(change.new_code, told.ts_code) AS ts_code, told.end_date AS period,
           max(told.actual_date) AS disclosed, max(told.first_seen_at) AS told_at
    FROM disclosure_date AS told
    LEFT JOIN code_change AS change
        ON change.old_code = told.ts_code AND change.from_date <= %(today)s
    WHERE told.actual_date < %(today)s AND told.end_date = ANY (%(periods)s::date[])
    GROUP BY 1, 2
), company AS (
    SELECT ts_code, list_date, delist_date
    FROM stock_basic AS stock
    WHERE list_status IN ('L', 'D', 'P') AND list_date IS NOT NULL
        AND (list_status <> 'D' OR delist_date IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM code_change AS change
            WHERE change.old_code = stock.ts_code AND change.from_date <= %(today)s)
), due AS (
    SELECT ts_code, period
    FROM company CROSS JOIN span
    WHERE closes < %(today)s AND list_date <= closes
        AND (delist_date IS NULL OR delist_date > closes)
        AND (closes >= %(beijing)s OR ts_code NOT LIKE '%%.BJ')
), expected AS (
    SELECT ts_code, period, closes, disclosed, told_at,
           ts_code || ':' || to_char(period, 'YYYYMMDD') AS cell
    FROM due FULL JOIN disclosed USING (ts_code, period) JOIN span USING (period)
    WHERE %(codes)s::varchar[] IS NULL OR ts_code = ANY (%(codes)s::varchar[])
), standing AS (
    SELECT expected.*, ledger.state, ledger.next_attempt_at, ledger.attempts, ledger.fetched_at,
           ledger.last_error,
           coalesce(ledger.state IN ('complete', 'empty_confirmed'), false) AS is_good,
           coalesce(ledger.state IN ('failed', 'truncated'), false) AS has_failed,
           coalesce(fetched_at < (disclosed + 1)::timestamp AT TIME ZONE 'Asia/Shanghai', false)
               AS is_older_than_its_disclosure
    FROM expected
    LEFT JOIN sync_ledger AS ledger
        ON ledger.dataset = 'fina_indicator' AND ledger.cell = expected.cell
)
"""


@dataclass(frozen=True)
class Report:
    """A cell that is expected: which report, and why by now. `disclosed` is when, where known."""

    code: str
    period: dt.date
    closes: dt.date
    disclosed: dt.date | None = None

    @property
    def key(self) -> str:
        return BY_COMPANY_PERIOD.of(self.code, self.period).key

    @property
    def due_since(self) -> dt.date:
        return self.disclosed or self.closes

    def is_late(self, today: dt.date) -> bool:
        """Whether it may still come by itself: late is not missing."""
        return today - self.due_since <= LATE


@dataclass(frozen=True)
class Scope:
    """Whose reports, of which periods."""

    first: dt.date
    last: dt.date
    codes: tuple[str, ...] | None = None

    @property
    def periods(self) -> list[dt.date]:
        return report_periods(max(self.first, FINA_INDICATOR.first_date), self.last)

    def values(self, now: dt.datetime) -> dict[str, object]:
        """The parameters of EXPECTED."""
        return {
            "periods": self.periods,
            "closes": [window_closes(period) for period in self.periods],
            "codes": None if self.codes is None else list(self.codes),
            "today": market_day(now),
            "beijing": BEIJING_FIRST_DAY,
        }


def ask(sql: str, values: dict[str, Any]) -> Sequence[tuple[Any, ...]]:
    """The rows of a query on EXPECTED."""
    with connection.cursor() as cursor:
        cursor.execute(EXPECTED + sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
