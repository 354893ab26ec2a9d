"""What is held of a range, as SQL that gives each value in one form and each row in its place.

The statements name their columns and their order, so neither the physical layout of a table nor the
collation of a database matters; and whoever has `psql` can run them as well.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from psycopg.abc import PQGen
from psycopg.generators import copy_from
from psycopg.pq.abc import PGconn

from datasync_app.datasets.base import Dataset, Kind, Writing
from datasync_app.datasets.cuts import ByCodeYear, ByExchangeYear, ByTradeDate
from datasync_app.datasets.finance import ByCompanyPeriod, ByDisclosureDay

# Of a row that is kept in versions or for a time: since when it is known, and whether it holds.
_CURRENT = (
    '"last_seen_at" = max("last_seen_at") OVER (PARTITION BY "ts_code", "end_date")',
    "is_current",
)
_MOMENT = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_DAY = "to_char({}, 'YYYY-MM-DD')"
# The times of asking are not in it: the same values, read again, are the same.
_LEDGER = (
    "cell",
    "state",
    "expected_rows",
    "received_rows",
    "missing::text",
    "disputes::text",
    "doubt::text",
    "not_asked::text",
    "fingerprint",
    "accepted_by",
    "accepted_reason",
    "CASE WHEN state IN ('complete', 'empty_confirmed') THEN '' ELSE last_error END",
)


class Shape(enum.Enum):
    """What a reader makes of the text of a column."""

    TEXT = "text"
    DAY = "YYYY-MM-DD"
    NUMBER = "a number of double precision"
    FLAG = "a small whole number"
    MOMENT = "a moment of UTC, as ISO 8601"
    YES_OR_NO = "t or f"


@dataclass(frozen=True)
class Column:
    name: str
    shape: Shape
    expression: str


_SHAPES = {
    Kind.TEXT: Shape.TEXT,
    Kind.CODE: Shape.TEXT,
    Kind.DATE: Shape.DAY,
    Kind.NUMBER: Shape.NUMBER,
    Kind.FLAG: Shape.FLAG,
}


@dataclass(frozen=True)
class Span:
    """Dates, both included; an end that is None is open."""

    first: dt.date | None = None
    last: dt.date | None = None

    @classmethod
    def of_year(cls, year: int) -> Span:
        return cls(dt.date(year, 1, 1), dt.date(year, 12, 31))

    def within(self, column: str) -> str:
        """The condition in SQL, empty where both ends are open."""
        bounds = ((">=", self.first), ("<=", self.last))
        parts = [f"{column} {sign} DATE '{day:%Y-%m-%d}'" for sign, day in bounds if day]
        return " AND ".join(parts)

    def years(self, column: str) -> str:
        bounds = ((">=", self.first), ("<=", self.last))
        return " AND ".join(f"{column} {sign} '{day:%Y}'" for sign, day in bounds if day)


EVERYTHING = Span()
# Rows are read until there are so many bytes.
AT_ONCE = 1 << 16


def columns_of(dataset: Dataset) -> tuple[Column, ...]:
    """The declared fields in their order, and what this database adds to rows it keeps in versions."""
    declared = [_column(field.name, _SHAPES[field.kind]) for field in dataset.fields]
    if dataset.writing is Writing.VERSIONS:
        declared.append(_column("first_seen_at", Shape.MOMENT))
        declared.append(Column(_CURRENT[1], Shape.YES_OR_NO, _CURRENT[0]))
    if dataset.writing is Writing.INTERVALS:
        declared += [_column(name, Shape.DAY) for name in ("valid_from", "valid_to")]
        declared.append(_column("first_seen_at", Shape.MOMENT))
    return tuple(declared)


def date_column(dataset: Dataset) -> str:
    """The column that says when a row is of; empty for lists, which are of no date."""
    if isinstance(dataset.cut, (ByTradeDate, ByCodeYear)):
        return "trade_date"
    if isinstance(dataset.cut, ByExchangeYear):
        return "cal_date"
    if isinstance(dataset.cut, (ByDisclosureDay, ByCompanyPeriod)):
        return "end_date"
    return ""


def rows_sql(dataset: Dataset, span: Span = EVERYTHING) -> str:
    """The rows of a span, in the order of their key; of a list, all of them."""
    columns = columns_of(dataset)
    chosen = ", ".join(f'{column.expression} AS "{column.name}"' for column in columns)
    by_name = {column.name: column for column in columns}
    order = [*dataset.key, *(name for name in by_name if name not in dataset.key)]
    table = dataset.model._meta.db_table
    places = ", ".join(_place(table, by_name[name]) for name in order)
    column = date_column(dataset)
    condition = span.within(f'"{column}"') if column else ""
    return _select(chosen, table, condition, places)


def ledger_sql(dataset: Dataset, span: Span = EVERYTHING) -> str:
    """What the ledger says of the cells of a span, in the order of their names."""
    condition = f"dataset = '{dataset.name}'"
    if within := cells_within(dataset, span):
        condition += f" AND {within}"
    return _select(", ".join(_LEDGER), "sync_ledger", condition, 'cell COLLATE "C"')


def cells_within(dataset: Dataset, span: Span) -> str:
    """The condition, in SQL on the ledger, for the cells of a span; lists are in every one."""
    if isinstance(dataset.cut, (ByTradeDate, ByDisclosureDay, ByCompanyPeriod)):
        return span.within("cell_date")
    if isinstance(dataset.cut, (ByCodeYear, ByExchangeYear)):
        return span.years("right(cell, 4)")
    return ""


def copied(statement: str) -> Iterator[bytes]:
    """The rows as `COPY (…) TO STDOUT (FORMAT csv)` writes them: whole ones, some hundred at a time."""
    # What psycopg raises in the middle of a COPY would pass Django by.
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute("SET LOCAL extra_float_digits = 1")  # PostgreSQL's default: numbers exactly
        with cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv)") as copy:
            is_over = False
            while not is_over:
                rows, is_over = copy.connection.wait(_some_rows(copy.connection.pgconn))
                if rows:
                    yield rows


def _some_rows(source: PGconn) -> PQGen[tuple[bytes, bool]]:
    """The next rows, and whether they are the last: to wait for each by itself takes half as long again."""
    rows, size = list[bytes](), 0
    while size < AT_ONCE:
        row = yield from copy_from(source)
        if not isinstance(row, memoryview):
            return b"".join(rows), True
        rows.append(bytes(row))
        size += len(row)
    return b"".join(rows), False


def _select(chosen: str, table: str, condition: str, order: str) -> str:
    where = f" WHERE {condition}" if condition else ""
    # Every part is a name or a date of our own declarations.
    return f"SELECT {chosen} FROM {table}{where} ORDER BY {order}"  # noqa: S608


def _column(name: str, shape: Shape) -> Column:
    quoted = f'"{name}"'
    form = {Shape.DAY: _DAY, Shape.MOMENT: _MOMENT}.get(shape, "{}")
    return Column(name, shape, form.format(quoted))


def _place(table: str, column: Column) -> str:
    if column.shape is Shape.YES_OR_NO:
        return f'"{column.name}"'
    # With its table it is the column itself, of which there is an index, not the text made of it.
    collation = ' COLLATE "C"' if column.shape is Shape.TEXT else ""
    return f'{table}."{column.name}"{collation}'
