"""When the generated market's data of a date come out, by the clock of that day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

_PUBLISHED_AT: Mapping[str, dt.time] = {
    "adj_factor": dt.time(9, 20),
    "daily": dt.time(16, 0),
    "index_daily": dt.time(16, 30),
    "daily_basic": dt.time(17, 0),
    "suspend_d": dt.time(17, 30),
    "dc_index": dt.time(17, 30),
    "dc_member": dt.time(17, 30),
    "disclosure_date": dt.time(18, 0),
    "fina_indicator": dt.time(22, 0),
}


def published_at(api_name: str) -> dt.time:
    """The time in Shanghai from which on an endpoint has the rows of the day."""
    return _PUBLISHED_AT[api_name]
