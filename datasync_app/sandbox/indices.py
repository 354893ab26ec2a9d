"""Indices of the generated market: each sums up the bars of its constituents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datasync_app.sandbox.bars import Bars
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.halts import BLOCK
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.population import (
    BEIJING,
    CHINEXT,
    SHANGHAI_MAIN,
    SHENZHEN_MAIN,
    STAR,
    Population,
)
from datasync_app.sandbox.prices import Prices

_BASE = 1000.0
_FIRST_MEMBERS = 8
_CHOSEN = 0.012
_BLOCKS_AT_ONCE = 20
_FIRST_DAY = dt.date(1990, 12, 19)

INDICES: Mapping[str, tuple[frozenset[int], dt.date]] = {
    "000001.SH": (frozenset({SHANGHAI_MAIN, STAR}), _FIRST_DAY),
    "399001.SZ": (frozenset({SHENZHEN_MAIN, CHINEXT}), dt.date(1991, 4, 3)),
    "000300.SH": (frozenset({SHANGHAI_MAIN, SHENZHEN_MAIN}), dt.date(2005, 4, 8)),
    "399006.SZ": (frozenset({CHINEXT}), dt.date(2010, 6, 1)),
    "000688.SH": (frozenset({STAR}), dt.date(2020, 7, 23)),
    "899050.BJ": (frozenset({BEIJING}), dt.date(2022, 11, 21)),
}


@dataclass(frozen=True)
class IndexBars:
    """One entry per day from `first_day` on; vol in lots, amount in thousands."""

    first_day: int
    columns: Mapping[str, Floats]


class Indices:
    def __init__(
        self, calendar: Calendar, people: Population, prices: Prices, bars: Bars, noise: Noise
    ) -> None:
        self._calendar = calendar
        self._people = people
        self._prices = prices
        self._bars = bars
        self._noise = noise
        self._known: dict[str, IndexBars] = {}

    def constituents(self, code: str) -> Ints:
        """The first companies of its boards that never leave, and one in eighty of the others."""
        boards, _ = INDICES[code]
        people = self._people
        stays = people.ends == people.ends.max()
        able = np.flatnonzero(np.isin(people.boards, list(boards)) & stays)
        chosen = self._noise.unit(f"constituent {code}", able) < _CHOSEN
        chosen[:_FIRST_MEMBERS] = True
        return able[chosen]

    def bars(self, code: str) -> IndexBars:
        """Its whole history, to the end of the calendar."""
        if code not in self._known:
            self._known[code] = self._compute(code)
        return self._known[code]

    def _compute(self, code: str) -> IndexBars:
        ids = self.constituents(code)
        first = self._calendar.first_from(INDICES[code][1])
        end = len(self._calendar.days)
        sums = np.concatenate(
            [
                self._sums(ids, block, min(_BLOCKS_AT_ONCE, -(-end // BLOCK) - block))
                for block in range(first // BLOCK, -(-end // BLOCK), _BLOCKS_AT_ONCE)
            ],
            axis=1,
        )
        open_, high, low, close, pre, volume, amount = sums[:, first % BLOCK :][:, : end - first]
        nobody = pre == 0
        pre = np.where(nobody, 1.0, pre)

        def ratio(sum_: Floats) -> Floats:
            return np.where(nobody, 1.0, sum_ / pre)

        after = _BASE * np.cumprod(ratio(close))
        before = np.concatenate([[_BASE], after[:-1]])
        closes, pre_closes = np.round(after, 4), np.round(before, 4)
        change = np.round(closes - pre_closes, 4)
        return IndexBars(
            first,
            {
                "close": closes,
                "open": np.round(before * ratio(open_), 4),
                "high": np.round(before * ratio(high), 4),
                "low": np.round(before * ratio(low), 4),
                "pre_close": pre_closes,
                "change": change,
                "pct_chg": np.round(100 * change / pre_closes, 4),
                "vol": np.round(volume / 100, 2),
                "amount": np.round(amount / 1000, 3),
            },
        )

    def _sums(self, ids: Ints, first_block: int, blocks: int) -> Floats:
        """Sums of open, high, low, close, pre_close, vol and amount, by day of the blocks."""
        path = self._prices.path(ids, first_block, blocks)
        days = path.first_day + np.arange(blocks * BLOCK)
        there = path.traded & (self._people.listed[ids][:, None] <= days)
        row, column = np.nonzero(there)
        who, when = ids[row], days[column]
        close, pre = path.close[row, column], path.pre_close[row, column]
        limits = self._prices.limits(who, when)
        open_, high, low = self._bars.span(who, when, close, pre, limits)
        volume = self._bars.volume(who, when, close, pre)
        amount = self._bars.amount(volume, (open_, high, low, close))
        total: Floats = np.zeros((7, blocks * BLOCK))
        for at, values in enumerate((open_, high, low, close, pre, volume, amount)):
            np.add.at(total[at], column, values)
        return total
