"""Dates as Tushare writes them, and the market's own time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BeforeValidator, Field

# The first day of the Shanghai exchange: no market data is older.
MARKET_BEGAN = dt.date(1990, 12, 19)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def parse_date(text: str) -> dt.date:
    """YYYYMMDD as a date. Raises ValueError with a sentence for anything else."""
    if len(text) == 8 and text.isascii() and text.isdigit():
        try:
            return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            pass
    raise ValueError(_("%r is not a date as YYYYMMDD") % text)


def show_date(date: dt.date) -> str:
    return f"{date:%Y%m%d}"


def market_day(now: dt.datetime) -> dt.date:
    """The date in Shanghai at that instant."""
    return now.astimezone(SHANGHAI).date()


def _from_argument(value: object) -> dt.date:
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str):
        return parse_date(value)
    raise ValueError(_("%r is not a date as YYYYMMDD") % (value,))


def gettext_noop(message: str) -> str:
    """Mark a message for translation. Django's own asks the settings, and a date needs none."""
    return message


# The type of a date among a job's arguments: "20240131" in JSON, a date in Python.
MarketDate = Annotated[
    dt.date,
    BeforeValidator(_from_argument),
    Field(description=gettext_noop("a date as YYYYMMDD")),
]


def check_range(kwargs: Mapping[str, Any]) -> str:
    """Why a job's `start` and `end`, where given, hold no day at all; or nothing."""
    start, end = kwargs.get("start"), kwargs.get("end")
    today = market_day(timezone.now())
    if start and end and start > end:
        return _("The start %(start)s lies after the end %(end)s.") % {
            "start": show_date(start),
            "end": show_date(end),
        }
    if start and start > today:
        return _(
            "The start %(start)s lies in the future: it takes a date up to today, %(today)s."
        ) % {"start": show_date(start), "today": show_date(today)}
    if end and end < MARKET_BEGAN:
        return _(
            "The end %(end)s lies before the market began: it takes a date from %(first)s on."
        ) % {"end": show_date(end), "first": show_date(MARKET_BEGAN)}
    return ""
