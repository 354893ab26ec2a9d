"""Sessions of frozen processes: ended, so that what they hold locked is free again.

The server ends a transaction whose client is silent between two statements, where
`idle_in_transaction_session_timeout` says so. No setting of it reaches a client that is silent within
one, while it should send rows for a COPY or take the rows of a result: not even `statement_timeout` is
looked at there. Only `pg_terminate_backend` gets through.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

logger = logging.getLogger(__name__)

# Before a frozen process counts as dead after `processes.DEAD_AFTER`, so that its runs can be closed then.
SILENT_SECONDS = 6.0
LOOK_SECONDS = 1.0
# Whoever did not look for so long was frozen himself, and with him perhaps the whole machine.
ASLEEP_SECONDS = 4.0

# Sessions of the same user within a statement that writes, as each has a transaction id, but not those
# that only read: a slow reader of an export keeps nobody waiting.
_WAITING = """
    SELECT activity.pid, activity.backend_start, activity.query_start, coalesce(copy.bytes_processed, 0)
    FROM pg_stat_activity AS activity LEFT JOIN pg_stat_progress_copy AS copy USING (pid)
    WHERE activity.datname = current_database() AND activity.usename = current_user
      AND activity.state = 'active' AND activity.backend_xid IS NOT NULL
      AND activity.wait_event IN ('ClientRead', 'ClientWrite')
"""
_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND backend_start = %s AND query_start = %s
"""


@dataclass(frozen=True)
class _Wait:
    """A session that waits for its client, and how far that client had got."""

    pid: int
    backend_start: datetime
    query_start: datetime
    received: int


class FrozenSessions:
    """Looks again and again, and ends what has not moved in the meantime."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at: float | None = None
        self._since: dict[_Wait, float] = {}

    def look(self) -> None:
        """Asks the database once a second at most, however often it is called.

        Raises:
            django.db.Error: the database is away.
        """
        now = self._clock()
        if self._looked_at is not None:
            if now - self._looked_at < LOOK_SECONDS:
                return
            if now - self._looked_at > ASLEEP_SECONDS:
                self._since = {}
        self._looked_at = now
        with connection.cursor() as cursor:
            cursor.execute(_WAITING)
            waiting = [_Wait(*row) for row in cursor.fetchall()]
            self._since = {wait: self._since.get(wait, now) for wait in waiting}
            for wait, since in self._since.items():
                if now - since >= SILENT_SECONDS:
                    cursor.execute(_END, [wait.pid, wait.backend_start, wait.query_start])
                    logger.error(
                        "action=end_frozen pid=%s: the client of this database session stopped in the"
                        " middle of a statement at the latest %.0f s ago; what it wrote is undone",
                        wait.pid,
                        now - since,
                    )
