"""The one connection of a process on which limits, knowledge and the call journal are kept.

Threads that fetch share it, a statement each under a lock, so that calling costs one connection and
not one per thread. Every statement is a transaction of its own and takes a few milliseconds; nobody
sleeps with the connection in hand. It does not wait for the disk: after a crash of the database
server itself the last fraction of a second may be forgotten, which costs at most a refusal.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from datasync_app.errors import DatasyncError

STATEMENT_SECONDS = 10
_SETUP = (
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET synchronous_commit = off;"
    " SET application_name = 'stocksync quota'"
)
Values = Sequence[object] | Mapping[str, object]
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)


class QuotaUnavailable(DatasyncError):
    """The database that counts the calls cannot be asked, so no call is made."""


class QuotaDatabase:
    """Opened by the first statement, opened again when it was lost, closed by `close`."""

    def __init__(self, alias: str = "default") -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._wrapper: BaseDatabaseWrapper | None = None
        self._process = 0

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        A statement whose connection turns out to be lost is run again on a new one: one that had
        been finished all the same then counts twice, which errs on the side of fewer calls.

        Raises:
            QuotaUnavailable: the database cannot be reached or refuses the statement.
        """
        with self._lock:
            is_old = self._is_open()
            try:
                try:
                    return self._run(statement, values)
                except _LOST:
                    self._drop()
                    if not is_old:
                        raise
                    return self._run(statement, values)
            except (psycopg.Error, DatabaseError, InterfaceError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise QuotaUnavailable(
                    f"Tushare is not called while the database that counts the calls is away: {reason}"
                ) from error

    def close(self) -> None:
        """Close the connection; the next statement would open another."""
        with self._lock:
            if self._is_open():
                self._drop()

    def _is_open(self) -> bool:
        # A forked child must not touch its parent's connection, not even to close it.
        return self._wrapper is not None and self._process == os.getpid()

    def _drop(self) -> None:
        wrapper, self._wrapper = self._wrapper, None
        if wrapper is not None and wrapper.connection is not None:
            with contextlib.suppress(psycopg.Error):
                wrapper.connection.close()

    def _run(self, statement: str, values: Values) -> list[tuple[Any, ...]]:
        with self._connected().cursor() as cursor:
            # Without values a percent sign is one.
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def _connected(self) -> Any:
        wrapper = self._wrapper if self._is_open() else None
        if wrapper is None:
            wrapper = connections[self._alias].copy()
            wrapper.inc_thread_sharing()
            wrapper.ensure_connection()
            wrapper.connection.execute(_SETUP)
            self._wrapper, self._process = wrapper, os.getpid()
        return wrapper.connection


def storable(text: str, length: int) -> str:
    """A text of the source as PostgreSQL takes it: cut, without what is no character."""
    return text[:length].replace("\x00", "").encode("utf-8", "replace").decode()


@functools.cache
def quota_database() -> QuotaDatabase:
    """The connection that all clients of this process share."""
    database = QuotaDatabase()
    atexit.register(database.close)
    return database
