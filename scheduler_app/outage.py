"""A database that is away is reported once, however many threads notice and however often."""

from __future__ import annotations

import logging
import threading
import time

from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError

logger = logging.getLogger(__name__)

# What a stopped server, a cut connection, a transaction that the server ended because this process
# froze in it, and tables that are not migrated yet look like.
AWAY = (OperationalError, InterfaceError, InternalError, ProgrammingError)


class Outage:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None

    def note(self, error: Exception) -> None:
        with self._lock:
            if self._since is not None:
                return
            self._since = time.monotonic()
        logger.error(
            "action=database_away: %s. This process goes on by itself once the database answers.",
            " ".join(str(error).split()),
        )

    def over(self) -> None:
        with self._lock:
            if self._since is None:
                return
            seconds, self._since = time.monotonic() - self._since, None
        logger.warning("action=database_back after_seconds=%.1f", seconds)
