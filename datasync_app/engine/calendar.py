"""Open days, from the stored `trade_cal`: a day is open when either exchange is."""

from __future__ import annotations

import datetime as dt

from datasync_app.datasets.market import EXCHANGES, TRADE_CAL
from datasync_app.dates import show_date
from datasync_app.errors import CalendarUnknown
from datasync_app.models import GOOD_STATES, SyncLedger, TradeCal


def open_days(start: dt.date, end: dt.date) -> list[dt.date]:
    """Open days from start to end, both included, oldest first.

    Raises:
        CalendarUnknown: the calendar of a year in the range is not held completely; a hole in it
            would pass for a holiday.
    """
    if start > end:
        return []
    years = range(start.year, end.year + 1)
    held = set(
        SyncLedger.objects.filter(
            dataset=TRADE_CAL.name,
            cell__in=[f"SSE:{year}" for year in years],
            state__in=GOOD_STATES,
        ).values_list("cell", flat=True)
    )
    unknown = [year for year in years if f"SSE:{year}" not in held]
    if unknown:
        raise CalendarUnknown(
            f"The calendar of {', '.join(map(str, unknown))} is not held, so nobody can say which days "
            f"from {show_date(start)} to {show_date(end)} were open."
        )
    days = TradeCal.objects.filter(
        exchange__in=EXCHANGES, is_open=1, cal_date__gte=start, cal_date__lte=end
    )
    return list(days.order_by("cal_date").values_list("cal_date", flat=True).distinct())


def days_of_year(year: int) -> frozenset[dt.date]:
    """The calendar days of a year, from the exchange's first day on."""
    first = max(dt.date(year, 1, 1), TRADE_CAL.first_date)
    return frozenset(
        first + dt.timedelta(days=n) for n in range((dt.date(year + 1, 1, 1) - first).days)
    )
