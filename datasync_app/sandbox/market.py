"""The generated market: invented companies with plausible prices, the same for the same seed.

About 5,400 companies are listed today, with codes in the real ranges and names that are plainly
invented. Listings began on 19 December 1990; most weeks bring one or two more, some companies
leave, and about two a day stop trading for 1 to 30 days (`population`, `halts`). Prices, ex-rights
days and limits are explained in `prices`. Whatever today is, the past is the same; the clock only
decides what has been published: the bars of a day at 16:00 of it, the calendar to the year's end.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping

import numpy as np

from datasync_app.dates import SHANGHAI, parse_date
from datasync_app.library_calendar import FIRST_DAY
from datasync_app.sandbox.bars import Bars
from datasync_app.sandbox.basics import BASIC_FIELDS, basic_rows
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.halts import BLOCK
from datasync_app.sandbox.noise import Ints, Noise
from datasync_app.sandbox.population import Population
from datasync_app.sandbox.prices import Path, Prices
from datasync_app.sandbox.protocol import (
    ENDPOINTS,
    Clock,
    Refusal,
    Rows,
    bad_parameter,
    date_range,
    no_permission,
    unknown_endpoint,
)

_PUBLISHED_AT = dt.time(16, 0)
_EXCHANGES = ("SSE", "SZSE")
_PATHS_KEPT = 12
_CALENDAR_FIELDS = ("exchange", "cal_date", "is_open", "pretrade_date")
_DAILY_FIELDS = (
    *("ts_code", "trade_date", "open", "high", "low", "close"),
    *("pre_close", "change", "pct_chg", "vol", "amount", "ah_vol", "ah_amount"),
)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "trade_cal": _CALENDAR_FIELDS,
    "stock_basic": BASIC_FIELDS,
    "daily": _DAILY_FIELDS,
}
_DEFAULT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "trade_cal": _CALENDAR_FIELDS,
    "stock_basic": ("ts_code", "symbol", "name", "area", "industry", "market", "list_date"),
    "daily": _DAILY_FIELDS[:-2],
}


class World:
    """Everything that follows from seed and calendar. A later year only adds to it."""

    def __init__(self, seed: int, last_year: int) -> None:
        noise = Noise(seed)
        self.noise = noise
        self.calendar = Calendar(last_year)
        self.people = Population(self.calendar, noise)
        self.prices = Prices(self.calendar, self.people, noise)
        self.bars = Bars(self.calendar, self.people, noise)
        # Answers list companies by code.
        order = sorted(range(self.people.count), key=self.people.codes.__getitem__)
        self.rank = np.empty(self.people.count, dtype=np.int64)
        self.rank[order] = np.arange(self.people.count)
        self._paths: OrderedDict[int, Path] = OrderedDict()

    def whole_market(self, block: int) -> Path:
        """The closes of all companies over a block; the last few blocks asked for are kept."""
        if block not in self._paths:
            ids = np.arange(self.people.listed_before((block + 1) * BLOCK))
            self._paths[block] = self.prices.path(ids, block, 1)
            if len(self._paths) > _PATHS_KEPT:
                self._paths.popitem(last=False)
        self._paths.move_to_end(block)
        return self._paths[block]


class GeneratedMarket:
    def __init__(self, seed: int = 1, clock: Clock = lambda: dt.datetime.now(dt.UTC)) -> None:
        self.identity = f"sandbox:{seed}"
        self._seed = seed
        self._clock = clock
        self._lock = threading.RLock()
        self._world = World(seed, self._now().year)

    def serves(self, api_name: str) -> bool:
        return api_name in _FIELDS

    def refuse(self, api_name: str) -> Refusal:
        return no_permission(api_name) if api_name in ENDPOINTS else unknown_endpoint()

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return _DEFAULT_FIELDS[api_name]

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        given = {**ENDPOINTS[api_name].defaults, **params}
        answer = {"trade_cal": self._trade_cal, "stock_basic": self._basics, "daily": self._daily}
        with self._lock:
            return _FIELDS[api_name], answer[api_name](given)

    def world(self, now: dt.datetime | None = None) -> World:
        """The world as far as the year of now, at least."""
        year = (now or self._now()).year
        with self._lock:
            if year > self._world.calendar.last_year:
                self._world = World(self._seed, year)
            return self._world

    def _now(self) -> dt.datetime:
        return self._clock().astimezone(SHANGHAI)

    def _trade_cal(self, params: Mapping[str, str]) -> Rows:
        now = self._now()
        calendar = self.world(now).calendar
        start, end = date_range(params)
        exchange, is_open = params["exchange"], params.get("is_open", "")
        if exchange not in _EXCHANGES:
            return []
        first = max(FIRST_DAY, parse_date(start))
        last = min(dt.date(now.year, 12, 31), parse_date(end))
        rows: Rows = []
        for back in range((last - first).days + 1):
            day = last - dt.timedelta(days=back)
            text = f"{day:%Y%m%d}"
            open_ = int(text in calendar.numbers)
            if is_open in {"", str(open_)}:
                before = calendar.last_until(day) - open_
                rows.append(
                    [exchange, text, open_, calendar.texts[before] if before >= 0 else None]
                )
        return rows

    def _basics(self, params: Mapping[str, str]) -> Rows:
        now = self._now()
        world = self.world(now)
        today = world.calendar.last_until(now.date())
        wanted = [
            (position, frozenset(params[name].split(",")))
            for position, name in enumerate(BASIC_FIELDS)
            if name in params
        ]
        rows = basic_rows(world.people, world.calendar, world.noise, today)
        return [row for row in rows if all(row[at] in texts for at, texts in wanted)]

    def _daily(self, params: Mapping[str, str]) -> Rows:
        now = self._now()
        world = self.world(now)
        calendar = world.calendar
        start, end = date_range(params)
        if "trade_date" in params:
            try:
                parse_date(params["trade_date"])
            except ValueError:
                raise bad_parameter() from None
            start, end = max(start, params["trade_date"]), min(end, params["trade_date"])
        first = calendar.first_from(parse_date(start))
        published = calendar.last_until(now.date())
        if published >= 0 and calendar.days[published] == now.date():
            published -= now.time() < _PUBLISHED_AT
        last = min(published, calendar.last_until(parse_date(end)))
        if "ts_code" in params:
            codes = dict.fromkeys(code.strip() for code in params["ts_code"].split(","))
            numbers = sorted(world.people.numbers.get(code, -1) for code in codes)
            chunks = _by_code(world, [number for number in numbers if number >= 0], first, last)
        else:
            chunks = _by_date(world, first, last)
        row_cap = ENDPOINTS["daily"].row_cap
        rows: Rows = []
        for chunk in chunks:
            rows += chunk
            # One more than the cap is enough for the server to say that there is more.
            if row_cap is not None and len(rows) > row_cap:
                break
        return rows


def _by_date(world: World, first: int, last: int) -> Iterator[Rows]:
    """The whole market, newest day first."""
    for day in range(last, first - 1, -1):
        path = world.whole_market(day // BLOCK)
        ids = np.arange(len(path.close))
        yield _rows(world, path, ids, day, day)


def _by_code(world: World, numbers: list[int], first: int, last: int) -> Iterator[Rows]:
    """Some companies, newest days first, in spans of blocks that hold some ten thousand days."""
    if not numbers:
        return
    ids = np.array(numbers)
    first = max(first, int(world.people.listed[ids].min()))
    last = min(last, int(world.people.ends[ids].max()) - 1)
    span = max(1, 160 // len(ids))
    while last >= first:
        block = max(last // BLOCK - span + 1, first // BLOCK)
        path = world.prices.path(ids, block, last // BLOCK - block + 1)
        yield _rows(world, path, ids, max(first, block * BLOCK), last)
        last = block * BLOCK - 1


def _rows(world: World, path: Path, ids: Ints, first: int, last: int) -> Rows:
    """Bars of the days from first to last of those who were listed and traded, as `daily` rows."""
    people = world.people
    days = np.arange(first, last + 1)
    columns = slice(first - path.first_day, last + 1 - path.first_day)
    there = path.traded[:, columns] & (people.listed[ids][:, None] <= days)
    there &= days < people.ends[ids][:, None]
    row, column = np.nonzero(there)
    order = np.lexsort((world.rank[ids[row]], -column))
    row, column = row[order], column[order]
    who, when = ids[row], days[column]
    close, pre = path.close[:, columns][row, column], path.pre_close[:, columns][row, column]
    numbers = world.bars.columns(who, when, close, pre, world.prices.limits(who, when))
    codes: list[object] = [people.codes[number] for number in who.tolist()]
    dates: list[object] = [world.calendar.texts[number] for number in when.tolist()]
    return [
        list(bar)
        for bar in zip(codes, dates, *(numbers[name] for name in _DAILY_FIELDS[2:]), strict=True)
    ]
