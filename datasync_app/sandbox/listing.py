"""Which days are open and who is listed: `trade_cal` and `stock_basic`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from datasync_app.dates import parse_date, show_date
from datasync_app.library_calendar import FIRST_DAY
from datasync_app.sandbox.basics import BASIC_FIELDS, basic_rows
from datasync_app.sandbox.protocol import Rows, date_range
from datasync_app.sandbox.world import Scene

CALENDAR_FIELDS = ("exchange", "cal_date", "is_open", "pretrade_date")
_EXCHANGES = ("SSE", "SZSE")


def trade_cal(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Every day until the year's end, newest first; both exchanges have the same open days."""
    calendar = scene.world.calendar
    start, end = date_range(params)
    exchange, is_open = params["exchange"], params.get("is_open", "")
    if exchange not in _EXCHANGES:
        return []
    first = max(FIRST_DAY, parse_date(start))
    last = min(dt.date(scene.now.year, 12, 31), parse_date(end))
    rows: Rows = []
    for back in range((last - first).days + 1):
        day = last - dt.timedelta(days=back)
        text = show_date(day)
        open_ = int(text in calendar.numbers)
        if is_open in {"", str(open_)}:
            before = calendar.last_until(day) - open_
            rows.append([exchange, text, open_, calendar.texts[before] if before >= 0 else None])
    return rows


def stock_basic(scene: Scene, params: Mapping[str, str]) -> Rows:
    world = scene.world
    wanted = [
        (position, frozenset(params[name].split(",")))
        for position, name in enumerate(BASIC_FIELDS)
        if name in params
    ]
    rows = basic_rows(world.people, world.calendar, world.noise, scene.today)
    return [row for row in rows if all(row[at] in texts for at, texts in wanted)]
