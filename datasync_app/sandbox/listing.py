"""Which days are open, who is listed, under which code and name.

`trade_cal`, `stock_basic`, `namechange` and `bse_mapping`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from datasync_app.dates import parse_date, show_date
from datasync_app.library_calendar import FIRST_DAY
from datasync_app.protocol import Rows, date_range
from datasync_app.protocol.columns import BASIC_FIELDS
from datasync_app.sandbox.basics import basic_rows
from datasync_app.sandbox.world import Scene

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
    rows = basic_rows(world.people, world.calendar, world.names, world.noise, scene.today)
    return [row for row in rows if all(row[at] in texts for at, texts in wanted)]


def namechange(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Every name so far; a few rows come twice, and most are announced on no date.

    start_date and end_date range over the announcements.
    """
    world, today = scene.world, scene.today
    texts, codes = world.calendar.texts, scene.codes.shown
    start, end = date_range(params)
    is_ranged = bool({"start_date", "end_date"} & params.keys())
    if "ts_code" in params:
        numbers = scene.numbers(params["ts_code"]).tolist()
    else:
        numbers = list(range(world.people.listed_before(today + 1)))
    rows: Rows = []
    for number in numbers:
        names = [name for name in world.names.of(number) if name.since <= today]
        ends = [*(name.since for name in names[1:]), None]
        for name, until in zip(names, ends, strict=True):
            announced = None if name.announced is None else texts[name.announced]
            if is_ranged and not (announced and start <= announced <= end):
                continue
            last = None if until is None else show_date(_day_before(world.calendar.days[until]))
            row = [codes[number], name.name, texts[name.since], last, announced, name.reason]
            rows += [row, list(row)] if name.doubled else [row]
    rows.sort(key=lambda row: str(row[0]))
    return sorted(rows, key=lambda row: str(row[2]), reverse=True)


def bse_mapping(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Old and new codes of the Beijing companies, from the day of the change on."""
    world, today = scene.world, scene.today
    rows: Rows = [
        [
            world.names.on(number, today),
            change.old,
            world.people.codes[number],
            world.calendar.texts[world.people.listed[number]],
        ]
        for number, change in world.people.renumbering.changes.items()
        if change.old.endswith(".BJ") and change.since <= today
    ]
    return [
        row
        for row in sorted(rows, key=lambda row: str(row[1]))
        if params.get("o_code", row[1]) == row[1] and params.get("n_code", row[2]) == row[2]
    ]


def _day_before(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=1)
