"""The read-only role follows the tables: what `migrate` and `restore` make, it may read."""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from stocksync.postgres.reader import current_user, grant_reading, reader_exists


def let_reader_read(connection: BaseDatabaseWrapper) -> None:
    """Grant anew what the role may read, if `connect` ever made it."""
    connection.ensure_connection()
    raw: psycopg.Connection = connection.connection
    if reader_exists(raw):
        grant_reading(
            raw,
            database=raw.info.dbname,
            schema=settings.DATABASE_SCHEMA,
            owner=current_user(raw),
        )


def after_migrate(plan: Any = None, using: str = "default", **kwargs: Any) -> None:
    """After a `migrate` that did something (`flush` sends the same signal, without a plan)."""
    if plan:
        let_reader_read(connections[using])
