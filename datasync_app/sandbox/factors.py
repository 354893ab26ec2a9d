"""Adjustment factors of the generated market: what `adj_factor` tells of ex-rights days."""

from __future__ import annotations

import datetime as dt

import numpy as np

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.rights import Rights

_REROUNDED_EVERY_YEARS = 3
_REROUNDED_FROM = 2000
_ROUNDING = 3e-4
_ROUNDED_AGAIN = 0.7


class Factors:
    """1 at the listing; an ex-rights day divides by what it leaves of the price.

    Every third year, on the first open day from 25 June, most factors above 1 are rounded anew:
    from that day on they differ by less than a thousandth although nothing happened.
    """

    def __init__(self, calendar: Calendar, rights: Rights, noise: Noise) -> None:
        self._rights = rights
        self._noise = noise
        years = range(_REROUNDED_FROM, calendar.last_year + 1, _REROUNDED_EVERY_YEARS)
        self.rerounded: Ints = np.array(
            [calendar.first_from(dt.date(year, 6, 25)) for year in years], dtype=np.int64
        )

    def values(self, ids: Ints, days: Ints) -> Floats:
        """One per pair of company and day, in four decimals."""
        exact = np.exp(-self._rights.log_ratios(ids, days))
        era = np.searchsorted(self.rerounded, days, side="right")
        off = _ROUNDING * self._noise.signed("rounding", ids, era)
        steady = self._noise.unit("steady factor", ids) >= _ROUNDED_AGAIN
        factors: Floats = np.where((exact == 1) | steady, exact, exact * (1 + off)).round(4)
        return factors
