"""Rows by trade date: `daily`, `daily_basic`, `adj_factor`, `suspend_d`, `index_daily`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from datasync_app.protocol import Rows
from datasync_app.protocol.columns import DAILY_FIELDS, INDEX_FIELDS, VALUATION_FIELDS
from datasync_app.sandbox.halts import BLOCK
from datasync_app.sandbox.indices import INDICES
from datasync_app.sandbox.noise import Ints
from datasync_app.sandbox.prices import Path
from datasync_app.sandbox.world import Scene, World

# So many companies times days are computed at once.
_CELLS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Bars:
    """Traded days of companies, one entry per pair: newest first, then by code. Prices in cents."""

    who: Ints
    when: Ints
    close: Ints
    pre_close: Ints


def daily(scene: Scene, params: Mapping[str, str]) -> Rows:
    world, rows = scene.world, Rows()
    for bars in _traded(scene, "daily", params):
        limits = world.prices.limits(bars.who, bars.when)
        columns = world.bars.columns(bars.who, bars.when, bars.close, bars.pre_close, limits)
        rows += _rows(scene, bars.who, bars.when, [columns[name] for name in DAILY_FIELDS[2:]])
        if scene.is_enough(len(rows)):
            break
    return rows


def daily_basic(scene: Scene, params: Mapping[str, str]) -> Rows:
    world, rows = scene.world, Rows()
    for bars in _traded(scene, "daily_basic", params):
        volume = world.bars.volume(bars.who, bars.when, bars.close, bars.pre_close)
        columns = world.valuations.columns(bars.who, bars.when, bars.close, volume)
        columns["limit_status"] = _closing(bars)
        rows += _rows(scene, bars.who, bars.when, [columns[name] for name in VALUATION_FIELDS[2:]])
        if scene.is_enough(len(rows)):
            break
    return rows


def _closing(bars: Bars) -> list[object]:
    """How a day closed: 0 unchanged, 1 up, 4 down. No close is at its limit here."""
    change = bars.close - bars.pre_close
    states: list[object] = np.where(change > 0, 1, np.where(change < 0, 4, 0)).tolist()
    return states


def adj_factor(scene: Scene, params: Mapping[str, str]) -> Rows:
    """A factor for everybody on the list, whether they trade that day or not."""
    rows = Rows()
    for who, when in _on_the_list(scene, params):
        factors: list[object] = scene.world.factors.values(who, when).tolist()
        rows += _rows(scene, who, when, [factors])
        if scene.is_enough(len(rows)):
            break
    return rows


def suspend_d(scene: Scene, params: Mapping[str, str]) -> Rows:
    world = scene.world
    first, last = scene.days("suspend_d", params)
    asked = None
    if "ts_code" in params:
        asked = set(scene.numbers(params["ts_code"], several=True).tolist())
    kind, codes = params.get("suspend_type", ""), scene.codes.shown
    rows: Rows = []
    for day in range(last, first - 1, -1):
        found = sorted(world.suspensions.of_day(day), key=lambda item: world.rank[item[0]])
        rows += [
            [codes[number], world.calendar.texts[day], hours, type_]
            for number, hours, type_ in found
            if (asked is None or number in asked) and kind in {"", type_}
        ]
        if scene.is_enough(len(rows)):
            break
    return rows


def index_daily(scene: Scene, params: Mapping[str, str]) -> Rows:
    code = params["ts_code"]
    first, last = scene.days("index_daily", params)
    if code not in INDICES:
        return []
    index = scene.world.indices.bars(code)
    first = max(first, index.first_day)
    days = np.arange(last, first - 1, -1)
    texts = scene.world.calendar.texts
    dates: list[object] = [texts[day] for day in days.tolist()]
    columns = [index.columns[name][days - index.first_day].tolist() for name in INDEX_FIELDS[2:]]
    return [[code, *row] for row in zip(dates, *columns, strict=True)]


def _rows(scene: Scene, who: Ints, when: Ints, columns: list[list[object]]) -> Rows:
    codes, texts = scene.codes.shown, scene.world.calendar.texts
    keys: list[list[object]] = [
        [codes[number] for number in who.tolist()],
        [texts[number] for number in when.tolist()],
    ]
    return list(map(list, zip(*keys, *columns, strict=True)))


def _traded(scene: Scene, api_name: str, params: Mapping[str, str]) -> Iterator[Bars]:
    first, last = scene.days(api_name, params)
    if "ts_code" not in params:
        return _of_all(scene.world, first, last)
    ids = scene.numbers(params["ts_code"], several=api_name == "daily")
    return _of_some(scene.world, ids, first, last)


def whole_day(world: World, day: int) -> Bars:
    path = world.whole_market(day // BLOCK)
    return _cut(world, path, np.arange(len(path.close)), day, day)


def _of_all(world: World, first: int, last: int) -> Iterator[Bars]:
    """The whole market, newest day first."""
    for day in range(last, first - 1, -1):
        yield whole_day(world, day)


def _of_some(world: World, ids: Ints, first: int, last: int) -> Iterator[Bars]:
    """Some companies, newest days first, in spans of blocks that hold some ten thousand days."""
    if not len(ids):
        return
    first = max(first, int(world.people.listed[ids].min()))
    last = min(last, int(world.people.ends[ids].max()) - 1)
    span = max(1, _CELLS_AT_ONCE // BLOCK // len(ids))
    while last >= first:
        block = max(last // BLOCK - span + 1, first // BLOCK)
        path = world.prices.path(ids, block, last // BLOCK - block + 1)
        yield _cut(world, path, ids, max(first, block * BLOCK), last)
        last = block * BLOCK - 1


def _cut(world: World, path: Path, ids: Ints, first: int, last: int) -> Bars:
    """The days from first to last of those who were listed and traded."""
    people = world.people
    days = np.arange(first, last + 1)
    columns = slice(first - path.first_day, last + 1 - path.first_day)
    there = path.traded[:, columns] & (people.listed[ids][:, None] <= days)
    there &= days < people.ends[ids][:, None]
    row, column = np.nonzero(there)
    order = np.lexsort((world.rank[ids[row]], -column))
    row, column = row[order], column[order]
    return Bars(
        ids[row],
        days[column],
        path.close[:, columns][row, column],
        path.pre_close[:, columns][row, column],
    )


def _on_the_list(scene: Scene, params: Mapping[str, str]) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of company and day, newest first, then by code; delisted companies are gone."""
    world = scene.world
    first, last = scene.days("adj_factor", params)
    people = world.people
    if "ts_code" in params:
        for number in scene.numbers(params["ts_code"]).tolist():
            start, end = people.listed[number], people.delists[number] - 1
            days = np.arange(min(last, end), max(first, start) - 1, -1)
            yield np.full(len(days), number), days
        return
    for day in range(last, first - 1, -1):
        ids = np.arange(people.listed_before(day + 1))
        ids = ids[people.delists[ids] > day]
        ids = ids[np.argsort(world.rank[ids])]
        yield ids, np.full(len(ids), day)
