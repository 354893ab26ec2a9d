"""A COPY into a table, whose errors are those of any other statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection
from psycopg import Copy


@contextmanager
def copying_into(table: str, columns: Iterable[str]) -> Iterator[Copy]:
    """A binary COPY into these columns. Have ready what it is to send: meanwhile the server waits.

    Raises:
        django.db.Error: whatever the server says, as for other statements. What psycopg raises in the
            middle of a COPY passes Django by, and who asks whether the database is away would not know it.
    """
    quote = connection.ops.quote_name
    named = ", ".join(quote(column) for column in columns)
    statement = f"COPY {quote(table)} ({named}) FROM STDIN (FORMAT BINARY)"
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        yield copy
