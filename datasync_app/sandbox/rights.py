"""Ex-rights days of the generated market: when, and what they leave of the price."""

from __future__ import annotations

import datetime as dt

import numpy as np

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.halts import BLOCK
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.population import Population

_SEASON_DAYS = 60
_REGAIN_DAYS = 192
_NEVER = np.iinfo(np.int32).max


class Rights:
    """One possible ex-rights day per company and year, within 60 open days from 1 May.

    A year without one has ratio 1. Two columns after the last year stand for the time to come.
    """

    def __init__(self, calendar: Calendar, people: Population, noise: Noise) -> None:
        years = np.arange(1991, calendar.last_year + 1)
        seasons = np.array([calendar.first_from(dt.date(int(year), 5, 1)) for year in years])
        ids = np.arange(people.count)[:, None]
        days = seasons + np.floor(_SEASON_DAYS * noise.unit("ex day", ids, years)).astype(np.int64)
        held = noise.unit("ex", ids, years) < 0.6
        held &= (days > people.listed[:, None] + 30) & (days < people.ends[:, None])
        cash = 0.96 + 0.035 * noise.unit("cash", ids, years)
        shares = 0.62 + 0.28 * noise.unit("shares", ids, years)
        bonus = noise.unit("bonus", ids, years) < 0.12
        logs = np.where(held, np.log(np.where(bonus, shares, cash)), 0.0)
        self._year_starts = np.array(
            [calendar.first_from(dt.date(int(year), 1, 1)) for year in years]
        )
        self._days: Ints = np.pad(days, ((0, 0), (0, 2)), constant_values=_NEVER)
        self._logs: Floats = np.pad(logs, ((0, 0), (0, 2)))
        self._sums: Floats = np.pad(np.cumsum(logs, axis=1), ((0, 0), (1, 0)))
        self._bonus_sums: Floats = np.pad(np.cumsum(logs * bonus, axis=1), ((0, 0), (1, 0)))

    def log_ratio(self, ids: Ints, first_block: int, blocks: int) -> Floats:
        """Log of the product of all ratios so far, for the day before each block and its 64 days.

        Minus this, as a power of e, is the adjustment factor of the day.
        """
        starts = np.arange(first_block, first_block + blocks)[None, :] * BLOCK
        rows = ids[:, None]
        passed = self._passed(rows, starts - 1)
        day = self._days[rows, passed]
        columns = starts[:, :, None] - 1 + np.arange(BLOCK + 1)
        before, after = (
            self._sums[rows, passed],
            self._sums[rows, np.minimum(passed + 1, self._last)],
        )
        return np.where(columns >= day[:, :, None], after[:, :, None], before[:, :, None])

    def log_ratios(self, ids: Ints, days: Ints) -> Floats:
        """Log of the product of all ratios until the end of a day, one per pair."""
        return self._sums[ids, self._passed(ids, days)]

    def log_new_shares(self, ids: Ints, days: Ints) -> Floats:
        """Log of how many times as many shares as at the listing there are on a day."""
        return -self._bonus_sums[ids, self._passed(ids, days)]

    def regained(self, ids: Ints, moments: Ints) -> Floats:
        """What has been won back by the end of the day before each moment, as a logarithm."""
        rows = ids[:, None]
        whole = self._passed(rows, moments - _REGAIN_DAYS)
        total: Floats = -self._sums[rows, whole]
        for following in (0, 1):
            at = whole + following
            share = np.clip((moments - self._days[rows, at]) / _REGAIN_DAYS, 0.0, 1.0)
            total -= self._logs[rows, at] * share
        return total

    @property
    def _last(self) -> int:
        return int(self._sums.shape[1]) - 1

    def _passed(self, ids: Ints, moments: Ints) -> Ints:
        """How many of a company's possible ex-rights days are on or before each moment."""
        # Every year has one, within the year.
        year = np.maximum(np.searchsorted(self._year_starts, moments, side="right") - 1, 0)
        return year + (self._days[ids, year] <= moments)
