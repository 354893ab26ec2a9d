"""What the ledger cannot prove of a query: the cells that are not good, and why.

Each kind of cut says which cells an answer rests on. What is not due yet proves nothing and is not
asked for, save where a call names just that day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max, Min
from django.utils.translation import gettext as _

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.concept import ByConcept, ConceptList
from datasync_app.datasets.cuts import ByCodeYear, ByExchangeYear, ByListStatus, ByTradeDate, Whole
from datasync_app.datasets.finance import ByCompanyPeriod, ByDisclosureDay
from datasync_app.datasets.market import EXCHANGES
from datasync_app.dates import market_day, show_date
from datasync_app.engine import concepts, horizon, ledger
from datasync_app.engine.calendar import open_days
from datasync_app.engine.coverage import why_open
from datasync_app.engine.due import is_due
from datasync_app.engine.finance.disclosures import plan_disclosures
from datasync_app.engine.finance.expected import Scope, ask
from datasync_app.engine.plan import plan_range
from datasync_app.errors import CalendarUnknown
from datasync_app.models import GOOD_STATES, StockBasic, SyncLedger
from datasync_app.serving.queries import Query

Gaps = dict[str, str]
"""Cell, or what else is not held -> why not."""

# Everything about a report happens within that time of its period's end or of its announcement.
_OF_A_PERIOD = dt.timedelta(days=270)
_OF_A_REPORT = dt.timedelta(days=730)
_BEFORE_LISTING = dt.timedelta(days=5 * 366)
# The source has boards of other kinds too, which nobody fetches.
_PART_OF_THE_SOURCE = frozenset({"ths_index", "ths_member"})
_GOOD_DAYS = """
    SELECT cell_date FROM sync_ledger
    WHERE dataset = %(dataset)s AND state = ANY(%(good)s) AND NOT not_asked ?| %(columns)s
        AND cell_date BETWEEN %(first)s AND %(last)s
"""
# Whether the calendar of every year is held, and the open days without a good cell, newest first. In
# PostgreSQL: thousands of days are compared for a long history, and few are named.
_LACKING_DAYS = f"""
    SELECT
        (SELECT count(*) FROM sync_ledger WHERE dataset = 'trade_cal' AND cell = ANY(%(years)s)
            AND state = ANY(%(good)s)) = cardinality(%(years)s::text[]),
        ARRAY(
            SELECT DISTINCT cal_date FROM trade_cal
            WHERE exchange = ANY(%(exchanges)s) AND is_open = 1
                AND cal_date BETWEEN %(first)s AND %(last)s
                AND cal_date NOT IN ({_GOOD_DAYS} AND cell_date IS NOT NULL)
            ORDER BY cal_date DESC
        )
"""  # noqa: S608 (of our own parts)
_NOT_GOOD_REPORTS = """
    SELECT cell, coalesce(state, ''), coalesce(last_error, '') FROM standing
    WHERE NOT is_good ORDER BY cell DESC
"""


def gaps_of(query: Query, *, now: dt.datetime) -> Gaps:
    """The cells that the answer rests on and that are not good, newest first; none: it is proved."""
    try:
        return _PROOFS[type(query.table.dataset.cut)](query, now)
    except CalendarUnknown as unknown:
        return {"trade_cal": str(unknown)}


def _trade_dates(query: Query, now: dt.datetime) -> Gaps:
    dataset, today = query.table.dataset, market_day(now)
    listed, delisted = _listed(query.texts("ts_code"))
    first = max(filter(None, (query.first, listed, dataset.first_date)))
    last = min(filter(None, (query.last, delisted, today)))
    gaps: Gaps = {}
    held_from = horizon.of(dataset)
    if held_from is None or first < held_from:
        if query.first is None:
            return {**gaps, **_before(dataset, first, held_from)}
        gaps = {} if first > last else _before_if_not_good(query, first, last, held_from)
        first = max(first, held_from or dt.date.max)
    if first > last:
        return gaps
    is_named = query.first == query.last
    lacking = [
        cell
        for cell in _open_days_not_good(query, first, last)
        if is_named or (cell.date and is_due(dataset, cell.date, now))
    ]
    return {**_why(dataset, lacking), **gaps}


def _before(dataset: Dataset, first: dt.date, held_from: dt.date | None) -> Gaps:
    if held_from is None:
        return {"all": _("nothing was ever fetched")}
    said = _("%(dataset)s is kept from %(day)s on; give it as start_date, or a later one")
    key = f"{show_date(first)}-{show_date(held_from - dt.timedelta(days=1))}"
    return {key: said % {"dataset": dataset.name, "day": show_date(held_from)}}


def _before_if_not_good(
    query: Query, first: dt.date, last: dt.date, held_from: dt.date | None
) -> Gaps:
    """Days before the horizon may be held all the same: a person asked for them."""
    until = min(last, (held_from or dt.date.max) - dt.timedelta(days=1))
    return _why(query.table.dataset, _open_days_not_good(query, first, until))


def _open_days_not_good(query: Query, first: dt.date, last: dt.date) -> list[Cell]:
    """Newest first."""
    if first > last:
        return []
    asked: dict[str, Any] = {
        "dataset": query.table.dataset.name,
        "columns": list(query.columns),
        "good": list(GOOD_STATES),
        "first": first,
        "last": last,
        "exchanges": list(EXCHANGES),
        "years": [f"SSE:{year}" for year in range(first.year, last.year + 1)],
    }
    with connection.cursor() as cursor:
        cursor.execute(_LACKING_DAYS, asked)
        is_calendar_held, lacking = cursor.fetchone()
        if not is_calendar_held:  # the library's days stand in for it, or nobody knows
            cursor.execute(_GOOD_DAYS, asked)
            good = {day for (day,) in cursor.fetchall()}
            lacking = [day for day in reversed(open_days(first, last)) if day not in good]
    return [Cell(show_date(day), day) for day in lacking]


def _code_years(query: Query, now: dt.datetime) -> Gaps:
    """Indices are held by code and year, for the codes of SYNC_INDEX_CODES."""
    dataset, today = query.table.dataset, market_day(now)
    codes = query.texts("ts_code")
    gaps = {
        code: _("it is not held; SYNC_INDEX_CODES names the indices that are synced")
        for code in sorted(codes - set(settings.SYNC_INDEX_CODES))
    }
    held_from = horizon.of(dataset) or horizon.earliest()
    first, last = query.first or dataset.first_date, min(query.last or today, today)
    if query.first is None and (held_from is None or first < held_from):
        return gaps | _before(dataset, first, held_from)
    if first > last:
        return gaps
    plan = plan_range(dataset, first, last, now=now)
    lacking = [cell for cell in plan.todo if cell.key.partition(":")[0] in codes]
    return gaps | _why(dataset, lacking)


def _exchange_years(query: Query, now: dt.datetime) -> Gaps:
    """The calendar, to the end of this year; a later year only where just that is asked for."""
    dataset, this_year = query.table.dataset, market_day(now).year
    first = max(query.first or dataset.first_date, dataset.first_date).year
    last = max(first, min(query.last.year if query.last else this_year, this_year))
    asked = query.texts("exchange")
    strange = {name: _("this exchange is not held") for name in sorted(asked - set(EXCHANGES))}
    cells = [
        Cell(f"{exchange}:{year}")
        for exchange in sorted(asked & set(EXCHANGES))
        for year in range(last, first - 1, -1)
    ]
    return strange | _not_good(query, cells)


def _list_statuses(query: Query, now: dt.datetime) -> Gaps:
    statuses = [Cell(status) for status in sorted(query.texts("list_status"))]
    known = {cell.key for cell in query.table.dataset.cut.all()}  # type: ignore[attr-defined]
    return _not_good(query, [cell for cell in statuses if cell.key in known])


def _whole(query: Query, now: dt.datetime) -> Gaps:
    return _not_good(query, [Cell("all")])


def _concept_list(query: Query, now: dt.datetime) -> Gaps:
    """The list is held for what its call asks, and, by trade date, for the last day only."""
    dataset = query.table.dataset
    assert isinstance(dataset.cut, ConceptList)  # noqa: S101 (so it is dispatched)
    if dataset.name in _PART_OF_THE_SOURCE:
        for name, value in dataset.cut.given.items():
            if query.texts(name) != {value}:
                said = _("only %(name)s=%(value)s is held; ask with it")
                return {"all": said % {"name": name, "value": value}}
    return _not_good(query, [Cell("all")]) or _other_days(query, ["all"])


def _constituents(query: Query, now: dt.datetime) -> Gaps:
    dataset = query.table.dataset
    assert isinstance(dataset.cut, ByConcept)  # noqa: S101 (so it is dispatched)
    held = {cell.key: None for cell in concepts.cells_of(dataset)}
    asked = sorted(query.texts(dataset.cut.id_field))
    if not held:
        return {"all": _("nothing was ever fetched")}
    if not asked and dataset.name in _PART_OF_THE_SOURCE:
        said = _("it is held by concept; ask with %(name)s")
        return {"all": said % {"name": dataset.cut.id_field}}
    strange = {
        key: _("this concept is not on the list that is held") for key in asked if key not in held
    }
    cells = [Cell(key) for key in asked or held if key not in strange]
    return strange | _not_good(query, cells) or _other_days(query, [cell.key for cell in cells])


def _other_days(query: Query, keys: list[str]) -> Gaps:
    """Concepts by trade date are held for the day of their last fetch."""
    if query.date_field != "trade_date":
        return {}
    days = SyncLedger.objects.filter(dataset=query.table.dataset.name, cell__in=keys)
    span = days.aggregate(first=Min("cell_date"), last=Max("cell_date"))
    if query.first == query.last == span["first"] == span["last"]:
        return {}
    said = _("it is held as of its last day only; ask with trade_date=%(day)s")
    return {"all": said % {"day": show_date(span["last"]) if span["last"] else "?"}}


def _disclosure_days(query: Query, now: dt.datetime) -> Gaps:
    """The days on which the reports that are asked for are, or were to be, published."""
    dataset = query.table.dataset
    named = [
        Cell(f"{kind}:{show_date(day)}", day)
        for kind, column in (("actual", "actual_date"), ("pre", "pre_date"))
        for day in query.dates(column)
    ]
    if named:
        return _not_good(query, named)
    since = query.dates("end_date") or query.dates("ann_date")
    first, last = since[0] if since else dataset.first_date, dt.date.max
    if since:
        last = first + min(_OF_A_PERIOD, dt.date.max - first)
    held_from = horizon.of(dataset)
    if held_from is None or first < held_from:
        return _before(dataset, first, held_from)
    plan = plan_disclosures(first, last, now=now, patient=False)
    return _not_good(query, plan.due)


def _reports(query: Query, now: dt.datetime) -> Gaps:
    """The reports that are expected by now, of the companies and periods asked for."""
    dataset, codes = query.table.dataset, query.texts("ts_code")
    held_from = settings.SYNC_FINANCE_HISTORY_START_DATE
    named = query.dates("end_date")
    first = query.first or (named[0] if named else None)
    last = query.last or (named[-1] if named else None)
    if announced := query.dates("ann_date"):
        first = max(
            filter(None, (first, announced[0] - min(_OF_A_REPORT, announced[0] - dt.date.min)))
        )
        last = min(filter(None, (last, announced[-1])))
    if first is None:
        listed, _until = _listed(codes)
        first = listed - _BEFORE_LISTING if listed else dataset.first_date
    if first < held_from:
        return _before(dataset, first, held_from)
    scope = Scope(first, min(filter(None, (last, market_day(now)))), tuple(sorted(codes)) or None)
    if not scope.periods:
        return {}
    if not SyncLedger.objects.filter(dataset=dataset.name).exists():
        return {"all": _("nothing was ever fetched")}
    rows = ask(_NOT_GOOD_REPORTS, scope.values(now))
    return {
        cell: f"{state}: {problem}".strip(": ") or _("never fetched")
        for cell, state, problem in rows
    }


def _listed(codes: Iterable[str]) -> tuple[dt.date | None, dt.date | None]:
    """From the first listing of these codes to the last delisting; None where it is not known."""
    codes = set(codes)
    rows = list(
        StockBasic.objects.filter(ts_code__in=codes).values_list("list_date", "delist_date")
    )
    if not codes or len(rows) < len(codes):
        return None, None
    listed = [listed for listed, _ in rows]
    until = [until for _, until in rows]
    return (
        None if None in listed else min(filter(None, listed)),
        None if None in until else max(filter(None, until)),
    )


def _not_good(query: Query, cells: Iterable[Cell]) -> Gaps:
    dataset, cells = query.table.dataset, list(cells)
    entries = ledger.entries(dataset, cells)
    lacking = [cell for cell in cells if not _proves(entries.get(cell.key), query)]
    return _why(dataset, lacking)


def _proves(entry: SyncLedger | None, query: Query) -> bool:
    """Whether the cell is good, and its rows were fetched with every column that is asked for."""
    if entry is None or entry.state not in GOOD_STATES:
        return False
    return not set(entry.not_asked) & set(query.columns)


def _why(dataset: Dataset, cells: list[Cell]) -> Gaps:
    entries = ledger.entries(dataset, cells)
    return {cell.key: why_open(entries.get(cell.key)) for cell in cells}


_PROOFS: Mapping[type, Callable[[Query, dt.datetime], Gaps]] = {
    ByTradeDate: _trade_dates,
    ByCodeYear: _code_years,
    ByExchangeYear: _exchange_years,
    ByListStatus: _list_statuses,
    Whole: _whole,
    ConceptList: _concept_list,
    ByConcept: _constituents,
    ByDisclosureDay: _disclosure_days,
    ByCompanyPeriod: _reports,
}
