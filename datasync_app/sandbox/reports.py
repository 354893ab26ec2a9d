"""Rows by company and report period: `disclosure_date`, `fina_indicator` and its `_vip` form."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from datasync_app.dates import parse_date
from datasync_app.protocol import Rows, bad_parameter, date_range
from datasync_app.protocol.columns import DISCLOSURE_FIELDS
from datasync_app.sandbox.filings import (
    FIRST_PERIOD_YEAR,
    NEVER,
    Filings,
    Version,
    first_period_from,
    last_period_before,
    ordinal,
    period_end,
    period_of,
    show_ordinal,
)
from datasync_app.sandbox.world import Scene

_NO_PERIOD = f"{FIRST_PERIOD_YEAR}0101"
# Everything about a period happens from some days before its end to half a year after, corrections
# and restatements within two years.
_PLANNED_EARLY = dt.timedelta(days=5)
_DATES_WITHIN = dt.timedelta(days=260)
_ROWS_WITHIN = dt.timedelta(days=700)


def disclosure_date(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Plans as they stand: a revision moves ann_date and pre_date; actual_date comes with the report."""
    out = scene.last_date("disclosure_date")
    wanted = {
        at: params[name]
        for at, name in enumerate(DISCLOSURE_FIELDS[:5])
        if name in params and name not in {"ts_code", "end_date"}
    }
    dates = [_date(text) for text in wanted.values()]
    first, last = _periods(out + _PLANNED_EARLY, params.get("end_date"), dates, _DATES_WITHIN)
    rows: Rows = []
    for filings in _filings(scene, params, first, last):
        rows += [
            row
            for row in _plans(scene, filings, ordinal(out))
            if all(row[at] == text for at, text in wanted.items())
        ]
        if scene.is_enough(len(rows)):
            break
    return rows


def fina_indicator(scene: Scene, params: Mapping[str, str]) -> Rows:
    """Every version of every report that is out. start_date and end_date range over the periods."""
    out = scene.last_date("fina_indicator")
    start, end = date_range(params)
    announced = [_date(params["ann_date"])] if "ann_date" in params else []
    first, last = _periods(out, params.get("period"), announced, _ROWS_WITHIN)
    first = max(first, first_period_from(parse_date(max(start, _NO_PERIOD))))
    last = min(last, last_period_before(parse_date(end)))
    rows: Rows = []
    for filings in _filings(scene, params, first, last):
        rows += _versions(scene, filings, ordinal(out), [ordinal(day) for day in announced])
        if scene.is_enough(len(rows)):
            break
    return rows


def _filings(scene: Scene, params: Mapping[str, str], first: int, last: int) -> Iterator[Filings]:
    """Newest period first; of one company all at once."""
    reporting = scene.world.reporting
    if "ts_code" in params:
        yield reporting.of_companies(scene.numbers(params["ts_code"]), first, last)
        return
    for period in range(last, first - 1, -1):
        yield reporting.of_period(period)


def _plans(scene: Scene, filings: Filings, out: int) -> Rows:
    codes = scene.codes.shown
    known = filings.planned <= out
    revised = known & (filings.revised <= out)
    announced = np.where(revised, filings.revised, filings.planned)
    named = np.where(revised, filings.final_date, filings.first_date)
    columns = (filings.who, announced, filings.period, named, filings.actual, revised)
    rows: Rows = [
        [
            codes[who],
            _text(ann),
            _period_text(period),
            _text(pre),
            _text(actual if actual <= out else NEVER),
            _text(ann) if is_revised else None,
        ]
        for who, ann, period, pre, actual, is_revised in zip(
            *(column[known].tolist() for column in columns), strict=True
        )
    ]
    rows.sort(key=lambda row: str(row[0]))
    return sorted(rows, key=lambda row: str(row[2]), reverse=True)


def _versions(scene: Scene, filings: Filings, out: int, asked: list[int]) -> Rows:
    """One or two rows per report, newest period first; with dates asked for, of those only."""
    world, version, codes = scene.world, filings.version, scene.codes.shown
    ends = np.array([ordinal(period_end(number)) for number in filings.period.tolist()])
    first_flag = np.isin(version, (Version.LATEST_ONLY, Version.RESTATED, Version.MISDATED))
    later = version == Version.RESTATED
    second = np.isin(
        version, (Version.CORRECTED, Version.CONFIRMED, Version.RESTATED, Version.MISDATED)
    )
    second_since = np.where(filings.corrected < NEVER, filings.corrected, filings.actual)
    second_ann = np.where(later, filings.corrected, filings.actual)
    second_ann = np.where(version == Version.MISDATED, ends - 60, second_ann)
    is_out = filings.actual <= out
    second &= is_out & (second_since <= out)
    at = np.concatenate([np.flatnonzero(is_out), np.flatnonzero(second)])
    is_second = np.arange(len(at)) >= int(is_out.sum())
    announced = np.where(is_second, second_ann[at], filings.actual[at])
    flags = np.where(is_second, version[at] != Version.MISDATED, first_flag[at])
    if asked:
        kept = np.isin(announced, asked)
        at, is_second, announced, flags = (
            column[kept] for column in (at, is_second, announced, flags)
        )
    order = np.lexsort((is_second, world.rank[filings.who[at]], -filings.period[at]))
    at, is_second, announced, flags = (
        column[order] for column in (at, is_second, announced, flags)
    )
    who, period = filings.who[at], filings.period[at]
    changed = is_second & np.isin(version[at], (Version.CORRECTED, Version.RESTATED))
    keys = zip(who.tolist(), announced.tolist(), period.tolist(), flags.tolist(), strict=True)
    return [
        [codes[number], _text(day), _period_text(quarter), *numbers, "1" if flag else "0"]
        for (number, day, quarter, flag), numbers in zip(
            keys, world.indicators.rows(who, period, changed), strict=True
        )
    ]


def _periods(
    out: dt.date, period: str | None, dates: list[dt.date], within: dt.timedelta
) -> tuple[int, int]:
    """First and last period that a named one and dates of events in them leave."""
    first, last = 4 * FIRST_PERIOD_YEAR, last_period_before(out)
    if period is not None:
        number = period_of(_date(period))
        if number is None:
            return 1, 0
        first, last = max(first, number), min(last, number)
    for day in dates:
        first = max(first, last_period_before(day - within))
        last = min(last, last_period_before(day + dt.timedelta(days=90)))
    return first, last


def _date(text: str) -> dt.date:
    try:
        return parse_date(text)
    except ValueError:
        raise bad_parameter() from None


@lru_cache(maxsize=20_000)
def _text(number: int) -> str | None:
    return show_ordinal(number)


@lru_cache(maxsize=1000)
def _period_text(period: int) -> str:
    return f"{period_end(period):%Y%m%d}"
