"""Report periods: quarters, and the statutory window in which each must be published."""

from __future__ import annotations

import datetime as dt

_ENDS = ((3, 31), (6, 30), (9, 30), (12, 31))
# First quarter and annual reports by 30 April, half-years by 31 August, third quarters by 31 October.
_CLOSES = {3: (0, 4, 30), 6: (0, 8, 31), 9: (0, 10, 31), 12: (1, 4, 30)}


def report_periods(start: dt.date, end: dt.date) -> list[dt.date]:
    """The periods that end from start to end, both included, newest first."""
    ends = (
        dt.date(year, month, day)
        for year in range(end.year, start.year - 1, -1)
        for month, day in reversed(_ENDS)
    )
    return [period for period in ends if start <= period <= end]


def window_closes(period: dt.date) -> dt.date:
    """The last day on which the report of that period may be published in time."""
    years, month, day = _CLOSES[period.month]
    return dt.date(period.year + years, month, day)


def open_periods(day: dt.date) -> list[dt.date]:
    """The periods that are over and whose window has not closed before that day, newest first."""
    ended = report_periods(dt.date(day.year - 1, 1, 1), day - dt.timedelta(days=1))
    return [period for period in ended if day <= window_closes(period)]
