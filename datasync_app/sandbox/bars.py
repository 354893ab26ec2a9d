"""From closes to whole bars: open, high, low, change, volume, turnover, as `daily` names them."""

from __future__ import annotations

import datetime as dt

import numpy as np

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.population import Population

AFTER_HOURS_FROM = dt.date(2026, 7, 6)

NUMBERS = ("open", "high", "low", "close", "pre_close", "change", "pct_chg", "vol", "amount")


class Bars:
    def __init__(self, calendar: Calendar, people: Population, noise: Noise) -> None:
        self._people = people
        self._noise = noise
        self._after_hours_from = calendar.first_from(AFTER_HOURS_FROM)

    def columns(
        self, ids: Ints, days: Ints, close: Ints, pre: Ints, limits: Ints
    ) -> dict[str, list[object]]:
        """The number fields of some bars, one entry per company and day. Prices come in cents."""
        open_, high, low = self.span(ids, days, close, pre, limits)
        change = close - pre
        volume = self.volume(ids, days, close, pre)
        after = _round(volume / 100 * self._noise.unit("after hours", ids, days) ** 4)
        return {
            "open": _decimal(open_, 100),
            "high": _decimal(high, 100),
            "low": _decimal(low, 100),
            "close": _decimal(close, 100),
            "pre_close": _decimal(pre, 100),
            "change": _decimal(change, 100),
            "pct_chg": _decimal((2 * change * 1_000_000 + pre) // (2 * pre), 10_000),
            "vol": _decimal(volume, 100),
            "amount": _decimal(self.amount(volume, (open_, high, low, close)), 1000),
            "ah_vol": self._since_after_hours(days, _decimal(after, 100)),
            "ah_amount": self._since_after_hours(days, _decimal(_round(after * close / 100), 1000)),
        }

    def span(
        self, ids: Ints, days: Ints, close: Ints, pre: Ints, limits: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """Open, high and low, in cents."""
        draw = self._noise.unit
        highest = (pre * (100 + limits) + 50) // 100
        lowest = (pre * (100 - limits) + 50) // 100
        # The day opens somewhere on the way from the reference price to the close, give or take.
        way = 0.6 * draw("open way", ids, days) * (close - pre)
        opened = pre + way + 0.006 * pre * self._noise.signed("open", ids, days)
        open_ = np.clip(_round(opened), lowest, highest)
        over = 0.02 * pre * draw("high", ids, days) ** 2
        under = 0.02 * pre * draw("low", ids, days) ** 2
        high = np.minimum(np.maximum(open_, close) + over.astype(np.int64), highest)
        low = np.maximum(np.minimum(open_, close) - under.astype(np.int64), lowest)
        return open_, high, low

    def amount(self, volume: Ints, prices: tuple[Ints, Ints, Ints, Ints]) -> Ints:
        """In yuan, of the volume at the average of open, high, low and, twice, the close."""
        open_, high, low, close = prices
        return _round(volume * ((open_ + high + low + 2 * close) / 5) / 100)

    def volume(self, ids: Ints, days: Ints, close: Ints, pre: Ints) -> Ints:
        """In hundredths of a lot; more is traded when the price moves."""
        draw = self._noise.unit
        busy = draw("busy", ids, days) + draw("busier", ids, days) - 1.0
        moved = 1 + 12 * np.abs(close - pre) / pre
        return _round(np.exp(self._people.log_volume[ids] + 1.2 * busy) * moved * 100)

    def _since_after_hours(self, days: Ints, values: list[object]) -> list[object]:
        if not len(days) or days.max() < self._after_hours_from:
            return [None] * len(values)
        return [
            value if day >= self._after_hours_from else None
            for day, value in zip(days.tolist(), values, strict=True)
        ]


def _round(values: Floats) -> Ints:
    return np.floor(values + 0.5).astype(np.int64)


def _decimal(values: Ints, unit: int) -> list[object]:
    """Whole units as decimals: the nearest double, whose shortest text has just these digits."""
    result: list[object] = (values / unit).tolist()
    return result
