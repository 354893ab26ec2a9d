"""Concepts: three possible sources, each a list and the constituents of each concept on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datasync_app.datasets.base import Cell, Dataset, Expectation, Field, Kind, Writing, fields
from datasync_app.dates import show_date
from datasync_app.models.concept import (
    Concept,
    ConceptDetail,
    DcIndex,
    DcMember,
    ThsIndex,
    ThsMember,
)

DAILY_FRESH = dt.timedelta(hours=12)
FROZEN_FRESH = dt.timedelta(days=7)


@dataclass(frozen=True)
class ConceptList:
    """One cell, `all`: every concept of the source. Of a source by trade date, those of its date."""

    given: Mapping[str, str] = field(default_factory=dict)

    def of(self, date: dt.date | None) -> Cell:
        return Cell("all", date)

    def params(self, cell: Cell) -> Mapping[str, str]:
        return {**self.given, **_day(cell)}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return _day(cell)

    def rows(self, cell: Cell) -> Q:
        return Q()


@dataclass(frozen=True)
class ByConcept:
    """One cell per concept; its key is the concept's id, which the field `id_field` has."""

    id_field: str

    def of(self, concept_id: str, date: dt.date | None) -> Cell:
        return Cell(concept_id, date)

    def params(self, cell: Cell) -> Mapping[str, str]:
        return {self.id_field: cell.key, **_day(cell)}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return self.params(cell)

    def rows(self, cell: Cell) -> Q:
        return Q(**{self.id_field: cell.key})


THS_INDEX = Dataset(
    name="ths_index",
    title=_("concepts of Tonghuashun"),
    model=ThsIndex,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("name", Kind.CODE, required=True),
        Field("count", Kind.NUMBER),
        Field("exchange", Kind.TEXT),
        Field("list_date", Kind.DATE),
        Field("type", Kind.TEXT),
    ),
    key=("ts_code", "name"),
    cut=ConceptList({"exchange": "A", "type": "N"}),
    expectation=Expectation.NONE,
    writing=Writing.INTERVALS,
    row_cap=5000,
    fresh_for=DAILY_FRESH,
    minimal_points=6000,
)

THS_MEMBER = Dataset(
    name="ths_member",
    title=_("constituents of the concepts of Tonghuashun"),
    model=ThsMember,
    fields=(
        *fields(Kind.CODE, "ts_code con_code", required=True),
        Field("con_name", Kind.TEXT),
        Field("weight", Kind.NUMBER),
        *fields(Kind.DATE, "in_date out_date"),
        Field("is_new", Kind.TEXT),
    ),
    key=("ts_code", "con_code"),
    cut=ByConcept("ts_code"),
    expectation=Expectation.NONE,
    writing=Writing.INTERVALS,
    empty_cells=frozenset({"*"}),
    fresh_for=DAILY_FRESH,
    minimal_points=6000,
)

DC_INDEX = Dataset(
    name="dc_index",
    title=_("concepts of Eastmoney"),
    model=DcIndex,
    fields=(
        *fields(Kind.CODE, "ts_code name", required=True),
        Field("trade_date", Kind.DATE, required=True),
        *fields(Kind.TEXT, "leading leading_code"),
        *fields(Kind.NUMBER, "pct_change leading_pct total_mv turnover_rate up_num down_num"),
    ),
    key=("ts_code", "name"),
    cut=ConceptList(),
    expectation=Expectation.NONE,
    writing=Writing.INTERVALS,
    row_cap=5000,
    fresh_for=DAILY_FRESH,
    minimal_points=6000,
)

DC_MEMBER = Dataset(
    name="dc_member",
    title=_("constituents of the concepts of Eastmoney"),
    model=DcMember,
    fields=(
        *fields(Kind.CODE, "ts_code con_code", required=True),
        Field("name", Kind.TEXT),
        Field("trade_date", Kind.DATE, required=True),
    ),
    key=("ts_code", "con_code"),
    cut=ByConcept("ts_code"),
    expectation=Expectation.NONE,
    writing=Writing.INTERVALS,
    empty_cells=frozenset({"*"}),
    row_cap=5000,
    fresh_for=DAILY_FRESH,
    minimal_points=6000,
)

CONCEPT = Dataset(
    name="concept",
    title=_("classic concepts, no longer updated"),
    model=Concept,
    fields=(*fields(Kind.CODE, "code name", required=True), Field("src", Kind.TEXT)),
    key=("code", "name"),
    cut=ConceptList({"src": "ts"}),
    expectation=Expectation.NONE,
    writing=Writing.INTERVALS,
    fresh_for=FROZEN_FRESH,
    minimal_points=300,
)

CONCEPT_DETAIL = Dataset(
    name="concept_detail",
    title=_("constituents of the classic concepts, no longer updated"),
    model=ConceptDetail,
    fields=(
        *fields(Kind.CODE, "id concept_name ts_code", required=True),
        Field("name", Kind.TEXT),
        *fields(Kind.DATE, "in_date out_date"),
    ),
    key=("id", "concept_name", "ts_code"),
    cut=ByConcept("id"),
    expectation=Expectation.NONE,
    writing=Writing.INTERVALS,
    empty_cells=frozenset({"*"}),
    fresh_for=FROZEN_FRESH,
    minimal_points=300,
)


@dataclass(frozen=True)
class ConceptSource:
    """A list and its constituents. `by_date` sources answer for a trade date; `frozen` says why
    nothing new is to be expected of the source.
    """

    name: str
    listed: Dataset
    members: Dataset
    by_date: bool = False
    frozen: str = ""

    @property
    def id_field(self) -> str:
        return self.listed.key[0]


# In the order in which "auto" tries them.
CONCEPT_SOURCES: dict[str, ConceptSource] = {
    source.name: source
    for source in (
        ConceptSource("ths", THS_INDEX, THS_MEMBER),
        ConceptSource("dc", DC_INDEX, DC_MEMBER, by_date=True),
        ConceptSource(
            "concept",
            CONCEPT,
            CONCEPT_DETAIL,
            frozen="Tushare has stopped updating the classic concepts: they are read weekly.",
        ),
    )
}


def _day(cell: Cell) -> dict[str, str]:
    return {"trade_date": show_date(cell.date)} if cell.date else {}
