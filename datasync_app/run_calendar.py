"""The exchange's trading days as a run calendar for schedules: `exchange`."""

from __future__ import annotations

import datetime as dt
import time

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasync_app.engine import calendar
from datasync_app.errors import CalendarUnknown
from scheduler_app.calendars import register_calendar
from scheduler_app.errors import UnknownRunDay

NAME = "exchange"
# A preview asks of many days at once; a day that flips is seen a minute later.
REMEMBERED_SECONDS = 60.0

_years: dict[int, tuple[float, frozenset[dt.date] | None]] = {}


def is_trading_day(day: dt.date) -> bool:
    """Whether either exchange is open on that day, as the stored calendar has it.

    Raises:
        UnknownRunDay: the calendar of its year is not held.
    """
    held = _year(day.year)
    if held is None:
        raise UnknownRunDay(_("the exchange calendar of %d is not held") % day.year)
    return day in held


def _year(year: int) -> frozenset[dt.date] | None:
    """The open days of a year; None where its calendar is not held."""
    asked_at, held = _years.get(year, (float("-inf"), None))
    now = time.monotonic()
    if now - asked_at >= REMEMBERED_SECONDS:
        try:
            days = calendar.open_days(dt.date(year, 1, 1), dt.date(year, 12, 31))
            held = frozenset(days)
        except CalendarUnknown:
            held = None
        _years[year] = now, held
    return held


register_calendar(NAME, gettext_lazy("trading days only"), is_trading_day)
