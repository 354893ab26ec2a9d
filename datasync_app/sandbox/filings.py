"""When the generated companies report: plans, revisions, the day itself, corrections."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass

import numpy as np

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.population import Population

FIRST_PERIOD_YEAR = 1990
NEVER = int(np.iinfo(np.int32).max)
# Report periods by quarter: their last day, and the days after it in which they are published.
_ENDS = ((3, 31), (6, 30), (9, 30), (12, 31))
_WINDOWS = ((1, 30), (15, 62), (8, 31), (15, 120))
_REVISED, _LATE, _MOVED = 0.12, 0.015, 0.06


class Version(enum.IntEnum):
    """What becomes of a report. The numbers are those of the rows it leads to."""

    LATEST_ONLY = 0
    """One row, of flag 1."""
    FIRST_ONLY = 1
    """One row, of flag 0."""
    CORRECTED = 2
    """Flag 0, and some months later flag 1 with other values under the same ann_date."""
    CONFIRMED = 3
    """Both flags with the same values."""
    RESTATED = 4
    """Flag 1, and a year later flag 1 again with other values and an ann_date of its own."""
    MISDATED = 5
    """Flag 1, and flag 0 with an ann_date before the period's end."""


_VERSIONS = np.array([0.55, 0.80, 0.93, 0.96, 0.98, 0.982])


@dataclass(frozen=True)
class Filings:
    """Reports, one entry per company and period; dates as days since 1970, NEVER for none."""

    who: Ints
    period: Ints
    planned: Ints
    """When the first plan was made known."""
    first_date: Ints
    """The day it named."""
    revised: Ints
    final_date: Ints
    """The day that the plan named since it was revised, or all along."""
    actual: Ints
    version: Ints
    corrected: Ints
    """From when on the second row of a corrected or restated report is out."""


class Reporting:
    """Periods are numbered by quarters: 4 * year + 0 to 3."""

    def __init__(self, calendar: Calendar, people: Population, noise: Noise) -> None:
        self._people = people
        self._noise = noise
        days = np.array([*map(ordinal, calendar.days), NEVER], dtype=np.int64)
        last = len(calendar.days)
        self._listed = days[people.listed]
        self._ends = days[np.minimum(people.ends, last)]

    def of_period(self, period: int) -> Filings:
        """Everybody's report of a period."""
        ids = np.arange(self._people.count)
        return self._of(ids, np.full(len(ids), period))

    def of_companies(self, ids: Ints, first_period: int, last_period: int) -> Filings:
        """Some companies' reports of a span of periods, newest first."""
        periods = np.arange(last_period, first_period - 1, -1)
        return self._of(np.tile(ids, len(periods)), np.repeat(periods, len(ids)))

    def _of(self, who: Ints, period: Ints) -> Filings:
        ends = np.array([ordinal(period_end(number)) for number in np.unique(period).tolist()])
        end = ends[np.unique(period, return_inverse=True)[1]] if len(period) else period
        there = (self._listed[who] <= end) & (end < self._ends[who])
        who, period, end = who[there], period[there], end[there]
        opens = end + np.array(_WINDOWS)[period % 4, 0]
        closes = end + np.array(_WINDOWS)[period % 4, 1]

        def draw(purpose: str) -> Floats:
            return self._noise.unit(f"filing {purpose}", who, period)

        def some(share: Floats, days: Ints | int) -> Ints:
            return np.floor(share * days).astype(np.int64)

        planned = end - 3 + some(draw("planned"), 4)
        # Most report late in the window.
        first_date = opens + some(np.sqrt(draw("date")), closes - opens + 1)
        revised = planned + 1 + some(draw("revised"), first_date - planned - 1)
        is_revised = (draw("is revised") < _REVISED) & (first_date - planned > 2)
        again = revised + 1 + some(draw("again"), closes - revised)
        final_date = np.where(is_revised, again, first_date)
        revised = np.where(is_revised, revised, NEVER)
        fate = draw("fate")
        moved = np.where((fate < _MOVED) & (final_date + 3 <= closes), 1 + some(draw("move"), 3), 0)
        late = closes - final_date + 10 + some(draw("late"), 60)
        actual = final_date + np.where(fate > 1 - _LATE, late, moved)
        actual = np.where(actual < self._ends[who], actual, NEVER)
        version = np.searchsorted(_VERSIONS, draw("version"), side="right") % len(_VERSIONS)
        wait = np.where(version == Version.RESTATED, 365, 1 + some(draw("wait") ** 2, 150))
        twice = (version == Version.CORRECTED) | (version == Version.RESTATED)
        corrected = np.where(twice & (actual < NEVER), actual + wait, NEVER)
        return Filings(
            who, period, planned, first_date, revised, final_date, actual, version, corrected
        )


def period_end(period: int) -> dt.date:
    return dt.date(period // 4, *_ENDS[period % 4])


def period_of(day: dt.date) -> int | None:
    """The number of the period that ends on a day, if one does."""
    ends = (day.month, day.day)
    return 4 * day.year + _ENDS.index(ends) if ends in _ENDS else None


def last_period_before(day: dt.date) -> int:
    """The last period that ends on a day or before it."""
    quarter = sum(end <= (day.month, day.day) for end in _ENDS)
    return 4 * day.year + quarter - 1


def first_period_from(day: dt.date) -> int:
    """The first period that ends on a day or after it."""
    return last_period_before(day - dt.timedelta(days=1)) + 1


def ordinal(day: dt.date) -> int:
    """Days since 1970."""
    return day.toordinal() - _EPOCH


_EPOCH = dt.date(1970, 1, 1).toordinal()


def show_ordinal(number: int) -> str | None:
    """YYYYMMDD; None for NEVER."""
    return None if number == NEVER else f"{dt.date.fromordinal(number + _EPOCH):%Y%m%d}"
