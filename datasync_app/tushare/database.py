"""The one connection of a process on which limits, knowledge and the call journal are kept.

Threads that fetch share it, a statement each under a lock, so that calling costs one connection and
not one per thread. Every statement is a transaction of its own and takes a few milliseconds; nobody
sleeps with the connection in hand. It does not wait for the disk: after a crash of the database
server itself the last fraction of a second may be forgotten, which costs at most a refusal. Nor does
it wait for a server that has stopped answering: a statement ends in time, with or without an answer.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from datasync_app.errors import DatasyncError

# The server gives a statement up by itself after so long; we do a little later, should it not say so.
STATEMENT_SECONDS = 10.0
SLACK = 1.2
_SETUP = (
    "SET statement_timeout = {milliseconds:.0f}; SET synchronous_commit = off;"
    " SET application_name = 'stocksync quota'"
)
# A network that lost the connection without a word is found out in the time of a statement.
_NETWORK = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
Values = Sequence[object] | Mapping[str, object]
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)


class QuotaUnavailable(DatasyncError):
    """The database that counts the calls cannot be asked, so no call is made."""


class QuotaDatabase:
    """Opened by the first statement, opened again when it was lost, closed by `close`."""

    def __init__(
        self, alias: str = "default", *, statement_seconds: float = STATEMENT_SECONDS
    ) -> None:
        self._alias = alias
        self._statement_seconds = statement_seconds
        self._patience = statement_seconds * SLACK
        self._lock = threading.Lock()
        self._wrapper: BaseDatabaseWrapper | None = None
        self._process = 0

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        A statement whose connection turns out to be lost is run again on a new one: one that had
        been finished all the same then counts twice, which errs on the side of fewer calls.

        Raises:
            QuotaUnavailable: the database cannot be reached, does not answer in time, or refuses
                the statement.
        """
        if not self._lock.acquire(timeout=self._statement_seconds):
            raise _unavailable("it leaves another call's statement without an answer")
        try:
            return self._run_again_if_lost(statement, values)
        except (psycopg.Error, DatabaseError, InterfaceError) as error:
            raise _unavailable(" ".join(str(error).split()) or type(error).__name__) from error
        finally:
            self._lock.release()

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

    def _run_again_if_lost(self, statement: str, values: Values) -> list[tuple[Any, ...]]:
        is_old, began = self._is_open(), time.monotonic()
        try:
            return self._run(statement, values)
        except _LOST:
            self._drop()
            # One that got no answer in time would most likely get none again.
            if not is_old or time.monotonic() >= began + self._statement_seconds:
                raise
            return self._run(statement, values)

    def _run(self, statement: str, values: Values) -> list[tuple[Any, ...]]:
        with self._connected().cursor() as cursor:
            # Without values a percent sign is one.
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def _connected(self) -> Any:
        wrapper = self._wrapper if self._is_open() else None
        if wrapper is None:
            wrapper = connections[self._alias].copy()
            wrapper.settings_dict["OPTIONS"] = _NETWORK | wrapper.settings_dict["OPTIONS"]
            wrapper.inc_thread_sharing()
            wrapper.ensure_connection()
            connection: Any = wrapper.connection
            # Left to itself the driver waits for an answer for ever.
            connection.wait = functools.partial(connection.wait, timeout=self._patience)
            connection.execute(_SETUP.format(milliseconds=self._statement_seconds * 1000))
            self._wrapper, self._process = wrapper, os.getpid()
        return wrapper.connection


def _unavailable(reason: str) -> QuotaUnavailable:
    return QuotaUnavailable(
        f"Tushare is not called while the database that counts the calls is away: {reason}"
    )


def storable(text: str, length: int) -> str:
    """A text of the source as PostgreSQL takes it: cut, without what is no character."""
    return text[:length].replace("\x00", "").encode("utf-8", "replace").decode()


@functools.cache
def quota_database() -> QuotaDatabase:
    """The connection that all clients of this process share."""
    database = QuotaDatabase()
    atexit.register(database.close)
    return database
