"""Complete from when to when: the cells of a range that are good, as stretches without a hole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

from django.db.models import Max, Min, QuerySet

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.cuts import ByCodeYear, ByExchangeYear, ByTradeDate
from datasync_app.datasets.finance import ByCompanyPeriod, ByDisclosureDay
from datasync_app.dates import SHANGHAI, show_date
from datasync_app.engine.calendar import open_days
from datasync_app.engine.coverage import Coverage
from datasync_app.models import GOOD_STATES, SyncLedger
from datasync_app.reports.content import Span, cells_within

_Value = TypeVar("_Value", int, dt.date)


def complete_spans(dataset: Dataset, span: Span, coverage: Coverage) -> list[str]:
    """Stretches in words, oldest first; empty where nothing is proved.

    Trade dates are stretches of open days, reports of periods, calendars and indices of years, lists
    the moments of their fetches.
    """
    if not coverage.good:
        return []
    if isinstance(dataset.cut, ByCompanyPeriod):
        periods = sorted(coverage.periods)
        return _unbroken(periods, periods, coverage.open_cells)
    good = _good_cells(dataset, span).exclude(cell__in=coverage.open_cells)
    if isinstance(dataset.cut, ByTradeDate):
        held = {show_date(day) for day in good.values_list("cell_date", flat=True) if day}
        return _unbroken(_open(held, coverage), held, coverage.open_cells)
    if isinstance(dataset.cut, (ByCodeYear, ByExchangeYear)):
        return _years(sorted(good.values_list("cell", flat=True)))
    if isinstance(dataset.cut, ByDisclosureDay):
        days = sorted(day for day in good.values_list("cell_date", flat=True).distinct() if day)
        return [_words(*ends) for ends in _runs(days, dt.date.toordinal)]
    return _lists(dataset)


def _good_cells(dataset: Dataset, span: Span) -> QuerySet[SyncLedger]:
    good = SyncLedger.objects.filter(dataset=dataset.name, state__in=GOOD_STATES)
    within = cells_within(dataset, span)
    return good.extra(where=[within]) if within else good  # noqa: S610 (of our own dates)


def _open(held: Collection[str], coverage: Coverage) -> list[str]:
    """What the stretches are made of: open days, and others that have a cell all the same."""
    first, last = min(held), max(held)
    days = {show_date(day) for day in open_days(_day(first), _day(last))}
    return sorted(days | set(held) | coverage.open_cells.keys())


def _unbroken(order: Sequence[str], held: Collection[str], gaps: Mapping[str, str]) -> list[str]:
    stretches = groupby(order, key=lambda day: day in held and day not in gaps)
    found = [list(days) for is_good, days in stretches if is_good]
    return [_words(days[0], days[-1]) for days in found]


def _years(cells: Iterable[str]) -> list[str]:
    """CODE:YYYY, sorted: by code or exchange."""
    said = []
    for code, of_code in groupby(cells, key=lambda cell: cell.partition(":")[0]):
        years = [int(cell[-4:]) for cell in of_code]
        said += [f"{code} {_words(*ends)}" for ends in _runs(years, lambda year: year)]
    return said


def _lists(dataset: Dataset) -> list[str]:
    good = SyncLedger.objects.filter(dataset=dataset.name, state__in=GOOD_STATES)
    ends = good.aggregate(first=Min("fetched_at"), last=Max("fetched_at"))
    moments = (f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M %z}" for at in ends.values() if at)
    return [_words(*moments)] if all(ends.values()) else []


def _runs(values: Iterable[_Value], number: Callable[[_Value], int]) -> list[tuple[_Value, _Value]]:
    """The first and the last of each stretch whose numbers follow one another."""
    runs: list[tuple[_Value, _Value]] = []
    for value in values:
        if runs and number(value) == number(runs[-1][1]) + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _day(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%Y%m%d").date()


def _words(first: object, last: object) -> str:
    shown = [show_date(end) if isinstance(end, dt.date) else str(end) for end in (first, last)]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"
