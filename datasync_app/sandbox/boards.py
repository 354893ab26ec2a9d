"""Rows of boards and their members: `ths_…`, `dc_…` and the classic `concept…`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from datasync_app.protocol import Rows
from datasync_app.protocol.columns import THS_INDEX_FIELDS
from datasync_app.sandbox.concepts import Board, Boards
from datasync_app.sandbox.noise import Floats
from datasync_app.sandbox.trading import whole_day
from datasync_app.sandbox.world import Scene


def concept(scene: Scene, params: Mapping[str, str]) -> Rows:
    rows: Rows = [
        [board.code, board.name, "ts"]
        for _, board in scene.world.concepts.classic_boards(scene.today)
    ]
    return [row for row in rows if params.get("src", "ts") == "ts"]


def concept_detail(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Members as they stood when the source stopped, or stand until then."""
    concepts = scene.world.concepts
    shown = [
        (row, board)
        for row, board in concepts.classic_boards(scene.today)
        if params.get("id", board.code) == board.code
    ]
    members = _members(scene, concepts.classic, shown, min(scene.today, concepts.renumbered))
    return [
        [board.code, board.name, code, name, None, None]
        for board, code, name in members
        if params.get("ts_code", code) == code
    ]


def ths_index(scene: Scene, params: Mapping[str, str]) -> Rows:
    ths, texts = scene.world.concepts.ths, scene.world.calendar.texts
    counts = ths.members(scene.today).sum(axis=1).tolist()
    rows: Rows = [
        [board.code, board.name, counts[at], "A", texts[board.since], board.kind]
        for at, board in ths.on(scene.today)
    ]
    filters = [(THS_INDEX_FIELDS.index(name), name) for name in ("ts_code", "exchange", "type")]
    return [
        row for row in rows if all(params.get(name, row[at]) == row[at] for at, name in filters)
    ]


def ths_member(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Today's members; when they joined is not told."""
    ths = scene.world.concepts.ths
    shown = [
        (at, board)
        for at, board in ths.on(scene.today)
        if params.get("ts_code", board.code) == board.code
    ]
    return [
        [board.code, code, name, None, None, None, "Y"]
        for board, code, name in _members(scene, ths, shown, scene.today)
        if params.get("con_code", code) == code
    ]


def dc_index(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Each board's day, summed up from the bars of its members."""
    asked = {code.strip() for code in params.get("ts_code", "").split(",")} - {""}
    first, last = _dc_days(scene, "dc_index", params)
    rows: Rows = []
    for day in range(last, first - 1, -1):
        rows += [
            row
            for row in _dc_day(scene, day)
            if (not asked or row[0] in asked) and params.get("name", row[2]) == row[2]
        ]
        if scene.is_enough(len(rows)):
            break
    return rows


def dc_member(scene: Scene, params: Mapping[str, str]) -> Rows:
    dc, texts = scene.world.concepts.dc, scene.world.calendar.texts
    first, last = _dc_days(scene, "dc_member", params)
    rows: Rows = []
    for day in range(last, first - 1, -1):
        shown = [
            (at, board)
            for at, board in dc.on(day)
            if params.get("ts_code", board.code) == board.code
        ]
        rows += [
            [texts[day], board.code, code, name]
            for board, code, name in _members(scene, dc, shown, day)
            if params.get("con_code", code) == code
        ]
        if scene.is_enough(len(rows)):
            break
    return rows


def _dc_days(scene: Scene, api_name: str, params: Mapping[str, str]) -> tuple[int, int]:
    first, last = scene.days(api_name, params)
    concepts = scene.world.concepts
    return max(first, scene.world.calendar.first_from(concepts.DC_FIRST_DAY)), last


def _dc_day(scene: Scene, day: int) -> Rows:
    world = scene.world
    bars = whole_day(world, day)
    members = world.concepts.dc.members(day)[:, bars.who]
    percent = np.round(100 * (bars.close / bars.pre_close - 1), 2)
    volume = world.bars.volume(bars.who, bars.when, bars.close, bars.pre_close)
    values = world.valuations.sizes(bars.who, bars.when, bars.close)
    rows: Rows = []
    for at, board in world.concepts.dc.on(day):
        own = np.flatnonzero(members[at])
        if not len(own):
            continue
        best = int(own[np.argmax(percent[own])])
        leader = int(bars.who[best])
        rows.append(
            [
                board.code,
                world.calendar.texts[day],
                board.name,
                world.names.on(leader, day),
                scene.codes.shown[leader],
                _mean(percent[own]),
                float(percent[best]),
                float(np.round(values.worth[own].sum(), 2)),
                float(np.round(volume[own].sum() / 100 / values.floating[own].sum(), 2)),
                int((percent[own] > 0).sum()),
                int((percent[own] < 0).sum()),
            ]
        )
    return rows


def _mean(values: Floats) -> float:
    return float(np.round(values.mean(), 2))


def _members(
    scene: Scene, boards: Boards, shown: list[tuple[int, Board]], day: int
) -> list[tuple[Board, str, str]]:
    """Members on a day, as board, code and name."""
    names, codes, members = scene.world.names, scene.codes.shown, boards.members(day)
    return [
        (board, codes[number], names.on(number, scene.today))
        for row, board in shown
        for number in sorted(np.flatnonzero(members[row]).tolist(), key=codes.__getitem__)
    ]
