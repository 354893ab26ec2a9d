"""Open days, from the stored `trade_cal`: a day is open when either exchange is."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.market import EXCHANGES, TRADE_CAL
from datasync_app.dates import market_day, show_date
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.engine.due import is_due
from datasync_app.errors import CalendarUnknown
from datasync_app.library_calendar import library_days
from datasync_app.models import GOOD_STATES, SyncLedger, TradeCal


def open_days(start: dt.date, end: dt.date) -> list[dt.date]:
    """Open days from start to end, both included, oldest first.

    Where this token may not ask for the calendar of a year, the library's days stand in for it.

    Raises:
        CalendarUnknown: the calendar of a year in the range is not held completely; a hole in it
            would pass for a holiday.
    """
    if start > end:
        return []
    years = set(range(start.year, end.year + 1))
    entries = SyncLedger.objects.filter(dataset=TRADE_CAL.name)
    good = entries.filter(cell__in=[f"SSE:{year}" for year in years], state__in=GOOD_STATES)
    held = {int(cell[-4:]) for cell in good.values_list("cell", flat=True)}
    unknown = years - held
    from_library: list[dt.date] = []
    if unknown:
        denied = entries.exclude(state__in=GOOD_STATES).filter(last_error__startswith=NOT_AVAILABLE)
        days, last_year = library_days() if denied.exists() else ([], 0)
        if max(unknown) > last_year:
            raise CalendarUnknown(
                _(
                    "The calendar of %(years)s is not held, so nobody can say which days from "
                    "%(start)s to %(end)s were open."
                )
                % {
                    "years": ", ".join(map(str, sorted(unknown))),
                    "start": show_date(start),
                    "end": show_date(end),
                }
            )
        from_library = [day for day in days if day.year in unknown and start <= day <= end]
    stored = TradeCal.objects.filter(
        exchange__in=EXCHANGES, is_open=1, cal_date__gte=start, cal_date__lte=end
    )
    open_there = stored.values_list("cal_date", flat=True).distinct()
    return sorted({day for day in open_there if day.year in held} | set(from_library))


def days_of_year(year: int) -> frozenset[dt.date]:
    """The calendar days of a year, from the exchange's first day on."""
    first = max(dt.date(year, 1, 1), TRADE_CAL.first_date)
    return frozenset(
        first + dt.timedelta(days=n) for n in range((dt.date(year + 1, 1, 1) - first).days)
    )


def due_days_of_year(dataset: Dataset, year: int, *, now: dt.datetime) -> list[dt.date]:
    """The open days of a year that the dataset should have by now, oldest first.

    Raises:
        CalendarUnknown: see `open_days`.
    """
    first = max(dt.date(year, 1, 1), dataset.first_date)
    days = open_days(first, min(dt.date(year, 12, 31), market_day(now)))
    return [day for day in days if is_due(dataset, day, now)]
