"""Finance datasets: when companies disclose, and the figures of their reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datasync_app.datasets.base import Cell, Dataset, Expectation, Field, Kind, Writing, fields
from datasync_app.datasets.rules import Rule
from datasync_app.datasets.splits import ByReportPeriod, ByShorterRange
from datasync_app.dates import parse_date, show_date
from datasync_app.models.finance import FINA_NUMBERS, DisclosureDate, FinaIndicator

ACTUAL, PLANNED = "actual", "pre"


@dataclass(frozen=True)
class ByDisclosureDay:
    """Two cells per calendar day: `actual:YYYYMMDD` happened then, `pre:YYYYMMDD` is planned for then.

    By period an answer would be cut: the market has more companies than a call has rows.
    """

    def of(self, kind: str, date: dt.date) -> Cell:
        return Cell(f"{kind}:{show_date(date)}", date)

    def params(self, cell: Cell) -> Mapping[str, str]:
        kind, _, date = cell.key.partition(":")
        return {f"{kind}_date": date}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return dict(self.params(cell))

    def rows(self, cell: Cell) -> Q:
        kind, _, date = cell.key.partition(":")
        return Q(**{f"{kind}_date": parse_date(date)})


@dataclass(frozen=True)
class ByCompanyPeriod:
    """One cell per company and report period, CODE:YYYYMMDD, whatever call filled it."""

    def of(self, code: str, period: dt.date) -> Cell:
        return Cell(f"{code}:{show_date(period)}", period)

    def params(self, cell: Cell) -> Mapping[str, str]:
        code, _, period = cell.key.partition(":")
        return {"ts_code": code, "period": period}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        code, _, period = cell.key.partition(":")
        return {"ts_code": code, "end_date": period}

    def rows(self, cell: Cell) -> Q:
        code, _, period = cell.key.partition(":")
        return Q(ts_code=code, end_date=parse_date(period))


@dataclass(frozen=True)
class ByCompany:
    """One call per company for a range of periods, CODE:YYYYMMDD-YYYYMMDD."""

    def of(self, code: str, first: dt.date, last: dt.date) -> Cell:
        return Cell(f"{code}:{show_date(first)}-{show_date(last)}")

    def params(self, cell: Cell) -> Mapping[str, str]:
        code, _, span = cell.key.partition(":")
        first, _, last = span.partition("-")
        return {"ts_code": code, "start_date": first, "end_date": last}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return {"ts_code": cell.key.partition(":")[0]}

    def rows(self, cell: Cell) -> Q:
        params = self.params(cell)
        span = (parse_date(params["start_date"]), parse_date(params["end_date"]))
        return Q(ts_code=params["ts_code"], end_date__range=span)


@dataclass(frozen=True)
class ByPeriod:
    """One call per period for all companies, YYYYMMDD."""

    def of(self, period: dt.date) -> Cell:
        return Cell(show_date(period), period)

    def params(self, cell: Cell) -> Mapping[str, str]:
        return {"period": cell.key}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return {"end_date": cell.key}

    def rows(self, cell: Cell) -> Q:
        return Q(end_date=cell.date)


BY_DISCLOSURE_DAY = ByDisclosureDay()
BY_COMPANY_PERIOD = ByCompanyPeriod()
BY_COMPANY = ByCompany()
BY_PERIOD = ByPeriod()

DISCLOSURE_DATE = Dataset(
    name="disclosure_date",
    title=_("disclosure dates"),
    model=DisclosureDate,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("ann_date", Kind.DATE),
        Field("end_date", Kind.DATE, required=True),
        *fields(Kind.DATE, "pre_date actual_date"),
        # Not shown unless named; a plan that was moved twice names two dates.
        Field("modify_date", Kind.TEXT),
    ),
    key=("ts_code", "end_date"),
    cut=BY_DISCLOSURE_DAY,
    expectation=Expectation.NONE,
    writing=Writing.VERSIONS,
    row_cap=3000,
    split=ByReportPeriod(most=12),
    empty_cells=frozenset({"*"}),
    minimal_points=500,
)

BEFORE_ITS_PERIOD_ENDED = Rule(
    "announced_early",
    _("it was announced before its period ended"),
    lambda rows: rows["ann_date"] < rows["end_date"],
)

FINA_INDICATOR = Dataset(
    name="fina_indicator",
    title=_("finance indicators"),
    model=FinaIndicator,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("ann_date", Kind.DATE),
        Field("end_date", Kind.DATE, required=True),
        *fields(Kind.NUMBER, " ".join(FINA_NUMBERS)),
        Field("update_flag", Kind.FLAG),
    ),
    key=("ts_code", "end_date"),
    cut=BY_COMPANY_PERIOD,
    expectation=Expectation.NONE,
    writing=Writing.VERSIONS,
    quarantine=(BEFORE_ITS_PERIOD_ENDED,),
    minimal_points=2000,
)

# The two ways of asking for its cells. Both fill the same ones.
FINA_BY_COMPANY = replace(FINA_INDICATOR, cut=BY_COMPANY, row_cap=100, split=ByShorterRange())
FINA_BY_PERIOD = replace(
    FINA_INDICATOR, name="fina_indicator_vip", cut=BY_PERIOD, minimal_points=5000
)
