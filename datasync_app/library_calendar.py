"""The open days that a well-kept library knows, for where no source gives a calendar."""

from __future__ import annotations

import datetime as dt
import warnings
from functools import lru_cache

FIRST_DAY = dt.date(1990, 12, 19)


@lru_cache(maxsize=1)
def library_days() -> tuple[list[dt.date], int]:
    """Shanghai's open days from 1990 on, and the last year that the library knows whole.

    They equal the recorded calendar of 1990 to 2024 day for day.
    """
    import exchange_calendars

    with warnings.catch_warnings():
        # It is written for an older pandas; what pandas announces for its next major is not ours.
        warnings.simplefilter("ignore", DeprecationWarning)
        bound = exchange_calendars.get_calendar("XSHG").bound_max()
        if bound is None:
            raise LookupError("the calendar library no longer tells where its calendar ends")
        last = bound.date()
        year = last.year if (last.month, last.day) == (12, 31) else last.year - 1
        calendar = exchange_calendars.get_calendar(
            "XSHG", start=FIRST_DAY, end=dt.date(year, 12, 31)
        )
        return [session.date() for session in calendar.sessions], year
