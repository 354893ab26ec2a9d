"""The exchange's trading days as a run calendar for schedules: `exchange`."""

from __future__ import annotations

import datetime as dt
import time

from django.utils.translation import gettext_lazy as _

from datasync_app.engine import calendar
from datasync_app.errors import CalendarUnknown
from scheduler_app.calendars import register_calendar
from scheduler_app.errors import UnknownRunDay

NAME = "exchange"
# A preview asks of many days at once; a day that flips is seen a minute later.
REMEMBERED_SECONDS = 60.0

_years: dict[int, tuple[float, frozenset[dt.date] | str]] = {}


def is_trading_day(day: dt.date) -> bool:
    """Whether either exchange is open on that day, as the stored calendar has it.

    Raises:
        UnknownRunDay: the calendar of its year is not held.
    """
    held = _year(day.year)
    if isinstance(held, str):
        raise UnknownRunDay(held)
    return day in held


def _year(year: int) -> frozenset[dt.date] | str:
    """The open days of a year, or the sentence that says why nobody knows them."""
    asked_at, held = _years.get(year, (float("-inf"), ""))
    now = time.monotonic()
    if now - asked_at >= REMEMBERED_SECONDS:
        try:
            days = calendar.open_days(dt.date(year, 1, 1), dt.date(year, 12, 31))
            held = frozenset(days)
        except CalendarUnknown:
            held = f"the exchange calendar of {year} is not held"
        _years[year] = now, held
    return held


register_calendar(NAME, _("trading days only"), is_trading_day)
