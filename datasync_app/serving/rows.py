"""Reading the rows of a query: a cursor in PostgreSQL, some thousand rows at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from datasync_app.serving.queries import Query

BATCH = 2000

Row = Sequence[object]


class Cursor:
    """The rows of a query, one more than its size where there are so many.

    PostgreSQL holds them, on disk where they are many: no transaction stays open for a slow reader.
    """

    def __init__(self, query: Query) -> None:
        self._cursor: psycopg.ServerCursor[tuple[Any, ...]] = connection.connection.cursor(
            f"serving_{uuid.uuid4().hex}", withhold=True
        )
        self._cursor.itersize = BATCH
        statement, values = _statement(query)
        self._cursor.execute(statement, values, binary=True)

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        try:
            while rows := self._cursor.fetchmany(BATCH):
                yield rows
        finally:
            self.close()

    def close(self) -> None:
        self._cursor.close()


def _statement(query: Query) -> tuple[sql.Composed, list[object]]:
    table = query.table
    conditions: list[sql.Composable] = [sql.SQL(table.current)] if table.current else []
    values: list[object] = []
    for column, wanted in query.wanted.items():
        name = sql.Identifier(column)
        if dates := query.dates(column):
            conditions.append(sql.SQL("{} = ANY(%s)").format(name))
            values.append(dates)
        else:
            conditions.append(sql.SQL("{}::text = ANY(%s)").format(name))
            values.append(sorted(map(str, wanted)))
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
        sql.SQL(table.order),
    )
    return statement, [*values, query.size + 1, query.page.offset]
