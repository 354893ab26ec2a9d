"""The numbers of a report: what `fina_indicator` tells of a company and a period."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datasync_app.protocol.indicator_fields import AMOUNTS, NUMBERS
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.filings import period_end
from datasync_app.sandbox.finances import FIRST_YEAR, Finances
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.rights import Rights

# What a correction changes; the rest of the row stays as it was.
CORRECTED_FIELDS = ("extra_item", "profit_dedt", "fcff", "fcfe", "roe_dt", "q_dt_roe", "bps_yoy")
# So many fields of a hundred a company never fills in.
_ABSENT = 0.04
_Mask = npt.NDArray[np.bool_]
_ALL = np.arange(len(NUMBERS))
_CORRECTED = np.array([NUMBERS.index(name) for name in CORRECTED_FIELDS])
_IN_YUAN = np.array([name in AMOUNTS for name in NUMBERS])
_PER_SHARE = np.array([name.endswith("ps") for name in NUMBERS])
_GROWTH = np.array([name.endswith(("_yoy", "_qoq")) for name in NUMBERS])
_PERIODS = 10_000


class Indicators:
    """Earnings, sales, equity and shares are those that `daily_basic` values; the rest is invented."""

    def __init__(
        self, calendar: Calendar, finances: Finances, rights: Rights, noise: Noise
    ) -> None:
        self._calendar = calendar
        self._finances = finances
        self._rights = rights
        self._noise = noise

    def rows(self, who: Ints, period: Ints, corrected: _Mask) -> list[list[object]]:
        """One row per report, with an entry per name of NUMBERS."""
        known = self._known(who, period)
        values = self._invented(who, period, np.abs(known.pop("revenue")))
        absent = self._noise.unit("absent", who[:, None], _ALL) < _ABSENT
        for name, column in known.items():
            values[:, NUMBERS.index(name)] = column
            absent[:, NUMBERS.index(name)] = False
        change = 1.05 + 0.2 * self._noise.unit("corrected", _cells(who, period), _CORRECTED)
        values[:, _CORRECTED] *= np.where(corrected[:, None], change, 1.0)
        values[:, _IN_YUAN] = np.round(values[:, _IN_YUAN], 2)
        values[:, ~_IN_YUAN] = np.round(values[:, ~_IN_YUAN], 4)
        rows: list[list[object]] = values.tolist()
        for at, place in np.argwhere(absent).tolist():
            rows[at][place] = None
        return rows

    def _known(self, who: Ints, period: Ints) -> dict[str, Floats]:
        own, year, quarter = self._finances, period // 4 - FIRST_YEAR, period % 4 + 1
        passed = own.quarters[who, quarter]
        ends = {number: self._last_day(number) for number in np.unique(period).tolist()}
        days = np.array([ends[number] for number in period.tolist()], dtype=np.int64)
        grown = np.exp(self._rights.log_new_shares(who, days))
        shares = 1e4 * own.total_shares[who] * grown
        profit, revenue = own.profit[who, year] * passed, own.revenue[who, year] * passed
        before = own.equity[who, year - 1]
        equity = before + (own.equity[who, year] - before) * quarter / 4
        more_profit = 100 * (own.profit[who, year] / own.profit[who, year - 1] - 1)
        more_sales = 100 * (own.revenue[who, year] / own.revenue[who, year - 1] - 1)
        return {
            "revenue": revenue,
            "eps": profit / shares,
            "dt_eps": profit / shares,
            "diluted2_eps": profit / shares,
            "total_revenue_ps": revenue / shares,
            "revenue_ps": revenue / shares,
            "bps": equity / shares,
            "netprofit_margin": 100 * profit / revenue,
            "roe": 100 * profit / equity,
            "roe_waa": 200 * profit / (equity + before),
            "roe_yearly": 400 * profit / equity / quarter,
            "basic_eps_yoy": more_profit,
            "dt_eps_yoy": more_profit,
            "netprofit_yoy": more_profit,
            "tr_yoy": more_sales,
            "or_yoy": more_sales,
            "equity_yoy": 100 * (equity / before - 1),
        }

    def _invented(self, who: Ints, period: Ints, sales: Floats) -> Floats:
        """Numbers of a likely size for every field: report x field."""
        draw = self._noise.signed("report", _cells(who, period), _ALL)
        values: Floats = 50 * (1 + draw)
        values[:, _IN_YUAN] = sales[:, None] * draw[:, _IN_YUAN]
        values[:, _PER_SHARE] = 5 * draw[:, _PER_SHARE]
        values[:, _GROWTH] = 80 * draw[:, _GROWTH] ** 3
        return values

    def _last_day(self, period: int) -> int:
        return self._calendar.last_until(period_end(period))


def _cells(who: Ints, period: Ints) -> Ints:
    """A number of its own for each report, as a column."""
    cells: Ints = (who * _PERIODS + period)[:, None]
    return cells
