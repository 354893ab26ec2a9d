"""Dates as Tushare writes them, and the market's own time zone."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

SHANGHAI = ZoneInfo("Asia/Shanghai")


def parse_date(text: str) -> dt.date:
    """YYYYMMDD as a date. Raises ValueError with a sentence for anything else."""
    if len(text) == 8 and text.isascii() and text.isdigit():
        try:
            return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            pass
    raise ValueError(f"{text!r} is not a date as YYYYMMDD")


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
    raise ValueError(f"{value!r} is not a date as YYYYMMDD")


# The type of a date among a job's arguments: "20240131" in JSON, a date in Python.
MarketDate = Annotated[dt.date, BeforeValidator(_from_argument)]
