"""Reading the rows of a query: a cursor in PostgreSQL, some ten thousand values at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from datasync_app.serving.queries import Query

# Of all columns together: rows of few columns come in larger batches than those of many. A day of
# the whole market is one.
VALUES_AT_ONCE = 80_000
ROWS_AT_ONCE = 20_000

Row = Sequence[object]

# ICU sorts by its own rules whatever `datcollate` says; before PostgreSQL 15 there is no provider.
_SORTS_BY_BYTES = """
    SELECT datcollate IN ('C', 'POSIX')
        AND coalesce(to_jsonb(pg_database) ->> 'datlocprovider', 'c') = 'c'
    FROM pg_database WHERE datname = current_database()
"""


class Cursor:
    """The rows of a query, one more than its size where there are so many.

    The first batch is read here, within the transaction. Where there are more, PostgreSQL holds the
    others, on disk where they are many: no transaction stays open for a slow reader.
    """

    def __init__(self, query: Query) -> None:
        self._rows_at_once = min(ROWS_AT_ONCE, max(1, VALUES_AT_ONCE // len(query.columns)))
        self._cursor: psycopg.ServerCursor[tuple[Any, ...]] = connection.connection.cursor(
            f"serving_{uuid.uuid4().hex}", withhold=True
        )
        statement, values = _statement(query)
        self._cursor.execute(statement, values, binary=True)
        self._first = self._fetched()
        self._may_have_more = len(self._first) == self._rows_at_once
        if not self._may_have_more:
            self.close()

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        try:
            yield self._first
            while self._may_have_more and (rows := self._fetched()):
                yield rows
        finally:
            self.close()

    def close(self) -> None:
        self._cursor.close()

    def _fetched(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchmany(self._rows_at_once)


def _statement(query: Query) -> tuple[sql.Composed, list[object]]:
    table = query.table
    conditions: list[sql.Composable] = [sql.SQL(table.current)] if table.current else []
    values: list[object] = []
    for column, wanted in query.wanted.items():
        name = sql.Identifier(column)
        any_of: list[Any] = query.dates(column) or sorted(map(str, wanted))
        cast = "" if query.dates(column) else "::text"
        # One value, said so, leaves the index's order for the rest of the key.
        sign = "= %s" if len(any_of) == 1 else "= ANY(%s)"
        conditions.append(sql.SQL(f"{{}}{cast} {sign}").format(name))  # of our own words
        values.append(any_of[0] if len(any_of) == 1 else any_of)
    for bound, sign in ((query.first, ">="), (query.last, "<=")):
        if bound is not None:
            conditions.append(
                sql.SQL("{} {} %s").format(sql.Identifier(query.date_field), sql.SQL(sign))
            )
            values.append(bound)
    statement = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT %s OFFSET %s").format(
        sql.SQL(", ").join(sql.SQL(table.expression(name)) for name in query.columns),
        sql.Identifier(table.name),
        sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true"),
        sql.SQL(_order(table.order)),
    )
    return statement, [*values, query.size + 1, query.page.offset]


def _order(order: str) -> str:
    """Where the database sorts by bytes anyway, it need not be told, and may use the index."""
    sorts_by_bytes = _sorts_by_bytes(connection.settings_dict["NAME"])
    return order.replace(' COLLATE "C"', "") if sorts_by_bytes else order


@cache
def _sorts_by_bytes(database: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_SORTS_BY_BYTES)
        return bool(cursor.fetchone()[0])
