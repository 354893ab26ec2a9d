"""Writing a versioned dataset: every content of a key is a row; nothing is changed or deleted."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from django.db import connection

from datasync_app.datasets.base import Dataset
from datasync_app.engine.copying import copying_into
from datasync_app.engine.rows import TypedRows, Value

_CONTENT_DIGITS = 32
_STAMPS = ("content", "first_seen_at", "last_seen_at")
_STAMP_TYPES = ("varchar", "timestamptz", "timestamptz")


def merge_versions(
    dataset: Dataset, rows: TypedRows, contents: Sequence[str], *, now: dt.datetime
) -> None:
    """Copy in the rows whose content is new, date those that are held.

    `contents` are those of the rows, one by one. Call inside the transaction, and work out the
    contents before it: a long silence inside is taken for a process that froze.
    """
    if not contents:
        return
    table = dataset.model._meta.db_table
    keys = list(zip(*(rows.column(name) for name in dataset.key), contents, strict=True))
    lock_versions(dataset)
    held = _seen_again(table, dataset.key, keys, now)
    fresh = {
        key: (*row, key[-1], now, now)
        for key, row in zip(keys, rows.rows, strict=True)
        if key not in held
    }
    with copying_into(table, (*(field.name for field in rows.columns), *_STAMPS)) as copy:
        copy.set_types([*(field.kind.value for field in rows.columns), *_STAMP_TYPES])
        for row in fresh.values():
            copy.write_row(row)


def lock_versions(dataset: Dataset) -> None:
    """Writers of a versioned dataset take turns, so that two never copy the same new content.

    Until the transaction ends, its ledger cells are this writer's too.
    """
    with connection.cursor() as cursor:
        table = dataset.model._meta.db_table
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"versions of {table}"])


def contents_of(rows: TypedRows) -> list[str]:
    """A digest of what each row says. Absent and NULL are one: a field that is declared later makes
    no new version of rows that lack it.
    """
    named = sorted((field.name, at) for at, field in enumerate(rows.columns))
    return [
        _digest("\x1f".join(f"{name}={row[at]}" for name, at in named if row[at] is not None))
        for row in rows.rows
    ]


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()[:_CONTENT_DIGITS]


def _seen_again(
    table: str, key: Sequence[str], keys: Sequence[tuple[Value, ...]], now: dt.datetime
) -> set[tuple[Value, ...]]:
    """Date the rows that are held already; their keys."""
    quote = connection.ops.quote_name
    names = [quote(name) for name in (*key, "content")]
    types = ("varchar", "date", "varchar")
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    matching = " AND ".join(f"held.{name} = given.{name}" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {quote(table)} AS held SET last_seen_at = greatest(last_seen_at, %s)"  # noqa: S608
            f" FROM unnest({arrays}) AS given ({', '.join(names)}) WHERE {matching}"
            f" RETURNING {', '.join(f'held.{name}' for name in names)}",
            [now, *(list(column) for column in zip(*keys, strict=True))],
        )
        return set(cursor.fetchall())
