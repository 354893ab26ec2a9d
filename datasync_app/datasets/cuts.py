"""The ways of cutting a dataset into cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q

from datasync_app.datasets.base import Cell
from datasync_app.dates import show_date


@dataclass(frozen=True)
class ByTradeDate:
    """One cell per open day, asked for with `trade_date`; keys are YYYYMMDD."""

    def of(self, date: dt.date) -> Cell:
        return Cell(show_date(date), date)

    def params(self, cell: Cell) -> Mapping[str, str]:
        return {"trade_date": cell.key}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return {"trade_date": cell.key}

    def rows(self, cell: Cell) -> Q:
        return Q(trade_date=cell.date)


@dataclass(frozen=True)
class ByExchangeYear:
    """One cell per exchange and calendar year; keys are EXCHANGE:YYYY."""

    def of(self, exchange: str, year: int) -> Cell:
        return Cell(f"{exchange}:{year}")

    def params(self, cell: Cell) -> Mapping[str, str]:
        exchange, year = cell.key.split(":")
        return {"exchange": exchange, "start_date": f"{year}0101", "end_date": f"{year}1231"}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        exchange, year = cell.key.split(":")
        return {"exchange": exchange, "cal_date": _days_of(int(year))}

    def rows(self, cell: Cell) -> Q:
        exchange, year = cell.key.split(":")
        return Q(exchange=exchange, cal_date__year=int(year))


@dataclass(frozen=True)
class ByCodeYear:
    """One cell per code and calendar year, for endpoints that want a code; keys are CODE:YYYY."""

    def of(self, code: str, year: int) -> Cell:
        return Cell(f"{code}:{year}")

    def params(self, cell: Cell) -> Mapping[str, str]:
        code, year = cell.key.split(":")
        return {"ts_code": code, "start_date": f"{year}0101", "end_date": f"{year}1231"}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        code, year = cell.key.split(":")
        return {"ts_code": code, "trade_date": _days_of(int(year))}

    def rows(self, cell: Cell) -> Q:
        code, year = cell.key.split(":")
        days = (dt.date(int(year), 1, 1), dt.date(int(year), 12, 31))
        return Q(ts_code=code, trade_date__range=days)


@dataclass(frozen=True)
class Whole:
    """One cell for everything the endpoint has; its key is `all`."""

    def all(self) -> list[Cell]:
        return [Cell("all")]

    def params(self, cell: Cell) -> Mapping[str, str]:
        return {}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return {}

    def rows(self, cell: Cell) -> Q:
        return Q()


@dataclass(frozen=True)
class ByListStatus:
    """One cell per listing status; the source answers only L unless asked by name."""

    statuses: tuple[str, ...] = ("L", "D", "P", "G")

    def all(self) -> list[Cell]:
        return [Cell(status) for status in self.statuses]

    def params(self, cell: Cell) -> Mapping[str, str]:
        return {"list_status": cell.key}

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        return {"list_status": cell.key}

    def rows(self, cell: Cell) -> Q:
        return Q(list_status=cell.key)


def _days_of(year: int) -> frozenset[str]:
    days = (dt.date(year, 12, 31) - dt.date(year, 1, 1)).days + 1
    return frozenset(show_date(dt.date(year, 1, 1) + dt.timedelta(days=n)) for n in range(days))
