"""The exchange calendar of the generated market: Shanghai's, from its first day on."""

from __future__ import annotations

import bisect
import datetime as dt
import logging

from datasync_app.dates import show_date
from datasync_app.library_calendar import library_days

logger = logging.getLogger(__name__)


class Calendar:
    """Open days to the end of a year, numbered from 0."""

    def __init__(self, last_year: int) -> None:
        self.last_year = last_year
        known, known_year = library_days()
        self.days = [day for day in known if day.year <= last_year]
        if last_year > known_year:
            self.days += _weekdays(dt.date(known_year + 1, 1, 1), dt.date(last_year, 12, 31))
            logger.warning(
                "action=guess_calendar The calendar library ends with %s: from then to %s every "
                "weekday is an open day.",
                known_year,
                last_year,
            )
        self.texts = [show_date(day) for day in self.days]
        self.numbers = {text: number for number, text in enumerate(self.texts)}

    def first_from(self, day: dt.date) -> int:
        """The number of the first open day on or after a date."""
        return bisect.bisect_left(self.days, day)

    def last_until(self, day: dt.date) -> int:
        """The number of the last open day on or before a date; -1 before the first."""
        return bisect.bisect_right(self.days, day) - 1


def _weekdays(start: dt.date, end: dt.date) -> list[dt.date]:
    days = (start + dt.timedelta(days=n) for n in range((end - start).days + 1))
    return [day for day in days if day.weekday() < 5]
