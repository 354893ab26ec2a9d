"""The numbers of a report: what `fina_indicator` tells of a company and a period."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.filings import period_end
from datasync_app.sandbox.finances import FIRST_YEAR, Finances
from datasync_app.sandbox.indicator_fields import AMOUNTS, NUMBERS
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.rights import Rights

# What a correction changes; the rest of the row stays as it was.
CORRECTED_FIELDS = ("extra_item", "profit_dedt", "fcff", "fcfe", "roe_dt", "q_dt_roe", "bps_yoy")
# So many fields of a hundred a company never fills in.
_ABSENT = 0.04
_Mask = npt.NDArray[np.bool_]


class Indicators:
    """Earnings, sales, equity and shares are those that `daily_basic` values; the rest is invented."""

    def __init__(
        self, calendar: Calendar, finances: Finances, rights: Rights, noise: Noise
    ) -> None:
        self._calendar = calendar
        self._finances = finances
        self._rights = rights
        self._noise = noise

    def columns(self, who: Ints, period: Ints, corrected: _Mask) -> list[list[object]]:
        """One column per name of NUMBERS, one entry per report."""
        known = self._known(who, period)
        sales = np.abs(known.pop("revenue"))
        columns = []
        for number, name in enumerate(NUMBERS):
            values = known.get(name)
            if values is None:
                values = self._invented(name, who, period, sales)
            if name in CORRECTED_FIELDS:
                change = 0.05 + 0.2 * self._noise.unit(f"corrected {name}", who, period)
                values = np.where(corrected, values * (1 + change), values)
            rounded: list[object] = np.round(values, 2 if name in AMOUNTS else 4).tolist()
            if name not in known:
                absent = self._noise.unit("absent", who, number) < _ABSENT
                for at in np.flatnonzero(absent).tolist():
                    rounded[at] = None
            columns.append(rounded)
        return columns

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

    def _invented(self, name: str, who: Ints, period: Ints, sales: Floats) -> Floats:
        draw = self._noise.signed(name, who, period)
        if name in AMOUNTS:
            return sales * draw
        if name.endswith(("_ps", "ps")):
            return 5 * draw
        if name.endswith(("_yoy", "_qoq")):
            return 80 * draw**3
        if name.endswith("_days"):
            return 10 + 300 * draw**2
        return 50 * (1 + draw)

    def _last_day(self, period: int) -> int:
        return self._calendar.last_until(period_end(period))
