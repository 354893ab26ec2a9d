"""The companies of the generated market: codes, listing dates, and how they end."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterator

import numpy as np

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.renumbering import SHENZHEN_CHANGES, Renumbering, find_changes

SHANGHAI_MAIN, SHENZHEN_MAIN, CHINEXT, STAR, BEIJING = range(5)
BEIJING_FIRST_DAY = dt.date(2021, 11, 15)
CHINEXT_WIDER_LIMIT = dt.date(2020, 8, 24)

# New listings a year, about as many as there were. No table ends: later years get the last number.
_LISTINGS = {
    1990: 8, 1991: 5, 1992: 40, 1993: 124, 1994: 110, 1995: 24, 1996: 203, 1997: 206, 1998: 106,
    1999: 98, 2000: 137, 2001: 79, 2002: 71, 2003: 67, 2004: 100, 2005: 15, 2006: 66, 2007: 126,
    2008: 77, 2009: 99, 2010: 349, 2011: 282, 2012: 155, 2013: 2, 2014: 125, 2015: 223, 2016: 227,
    2017: 438, 2018: 105, 2019: 203, 2020: 399, 2021: 480, 2022: 424, 2023: 313, 2024: 100,
}  # fmt: skip
_LATER_LISTINGS = 110
_BEIJING_AT_OPENING = 71
# From a day on, the share of new listings that each board gets.
_SHARES = (
    (dt.date(1990, 1, 1), (0.5, 0.5, 0.0, 0.0, 0.0)),
    (dt.date(2009, 10, 30), (0.4, 0.25, 0.35, 0.0, 0.0)),
    (dt.date(2019, 7, 22), (0.2, 0.1, 0.35, 0.35, 0.0)),
    (BEIJING_FIRST_DAY, (0.15, 0.08, 0.35, 0.22, 0.2)),
)
_SMALL_BOARD_FROM = 2004

_TAKEN = frozenset(new for new, _ in SHENZHEN_CHANGES.values())

YEAR_DAYS = 243


class Population:
    """Everybody listed until the calendar's end, in the order of listing.

    `share` makes a smaller market of the same kind. A company's number, code, listing and end depend
    on its listing year and those before it, so a longer calendar only adds companies. `ends` is the
    first day without bars, `delists` the day it leaves the list; between them its listing is paused.
    """

    def __init__(self, calendar: Calendar, noise: Noise, share: float = 1.0) -> None:
        listed: list[int] = []
        boards: list[int] = []
        for year in range(1990, calendar.last_year + 1):
            days, kinds = _listings_of(year, calendar, noise, share)
            listed += days
            boards += kinds
        self.count = len(listed)
        self.listed: Ints = np.array(listed, dtype=np.int64)
        self.boards: Ints = np.array(boards, dtype=np.int64)
        self.ends, self.delists = _ends(self.listed, noise)
        self.codes = list(_codes(boards, [calendar.days[number].year for number in listed]))
        changes = find_changes(self.codes, listed, self.ends.tolist(), calendar)
        self.renumbering = Renumbering(self.codes, changes)
        self.numbers = {code: number for number, code in enumerate(self.codes)}
        ids = np.arange(self.count)
        # Prices from 9 to 60 yuan to begin with, and shares for 2,000 to 200,000 lots a day.
        self.log_price: Floats = np.log(9.0) + noise.unit("price", ids) * np.log(60.0 / 9.0)
        self.log_volume: Floats = np.log(2e3) + noise.unit("volume", ids) * np.log(100.0)

    def listed_before(self, day: int) -> int:
        """How many were listed before a day; they are the first so many."""
        return int(np.searchsorted(self.listed, day, side="left"))


def _listings_of(
    year: int, calendar: Calendar, noise: Noise, share: float
) -> tuple[list[int], list[int]]:
    first = calendar.first_from(dt.date(year, 1, 1))
    end = calendar.first_from(dt.date(year + 1, 1, 1))
    listings = share * _LISTINGS.get(year, _LATER_LISTINGS)
    # A fraction is made up for over the years.
    numbers = np.arange(math.floor(listings + noise.unit("fraction", year)[0]))
    offsets = noise.unit("listing day", numbers, year) * (end - first)
    # The first companies were there when the exchange opened.
    days = sorted((offsets * (year > 1990)).astype(np.int64) + first)
    draws = noise.unit("board", numbers, year)
    kinds = [_board(calendar.days[day], draw) for day, draw in zip(days, draws, strict=True)]
    if year == BEIJING_FIRST_DAY.year:
        opening = calendar.first_from(BEIJING_FIRST_DAY)
        at = int(np.searchsorted(days, opening))
        opened = math.ceil(share * _BEIJING_AT_OPENING)
        days[at:at] = [opening] * opened
        kinds[at:at] = [BEIJING] * opened
    return [int(day) for day in days], kinds


def _board(day: dt.date, draw: float) -> int:
    shares = next(shares for since, shares in reversed(_SHARES) if since <= day)
    return int(np.searchsorted(np.cumsum(shares), draw, side="right"))


def _codes(boards: list[int], years: list[int]) -> Iterator[str]:
    """Codes in the real ranges, handed out in order of listing."""
    shanghai = _range(".SH", 600000, 601000, 603000, 605000)
    pools = {
        SHANGHAI_MAIN: shanghai,
        SHENZHEN_MAIN: _range(".SZ", 2000, 1000, 3000, 4000),
        CHINEXT: _range(".SZ", 300000, 301000, 302000),
        STAR: _range(".SH", 688000, 689000),
        BEIJING: _range(".BJ", 920000),
    }
    early = _range(".SZ", 0)
    for board, year in zip(boards, years, strict=True):
        pool = early if board == SHENZHEN_MAIN and year < _SMALL_BOARD_FROM else pools[board]
        yield next(code for code in pool if code not in _TAKEN)


def _range(suffix: str, *thousands: int) -> Iterator[str]:
    numbers = itertools.chain.from_iterable(range(first + 1, first + 1000) for first in thousands)
    return (f"{number:06}{suffix}" for number in numbers)


def _ends(listed: Ints, noise: Noise) -> tuple[Ints, Ints]:
    """Some leave after three to twenty-five years, never two on one day, a third after a pause."""
    ids = np.arange(len(listed))
    leaves = noise.unit("fate", ids) < 0.16
    age = YEAR_DAYS * (3 + 22 * noise.unit("age", ids))
    paused = noise.unit("paused", ids) < 0.3
    pause = np.where(paused, 60 + np.floor(180 * noise.unit("pause", ids)), 0).astype(np.int64)
    ends = np.where(leaves, listed + age.astype(np.int64), np.iinfo(np.int32).max)
    taken: set[int] = set()
    for number in np.flatnonzero(leaves):
        while int(ends[number]) in taken:
            ends[number] += 1
        taken.add(int(ends[number]))
    return ends, ends + pause
