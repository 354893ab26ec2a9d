"""Which `runscheduler` is active: a lease row with a fence number, judged by the database's clock.

The holder renews it every second. Once it was not renewed for as long as it lasts, whoever asks
first takes it, under the next fence number. What this process believes of itself starts nothing:
every claim locks the lease row and finds its own fence there, or is refused.

A claim holds the row FOR KEY SHARE. Whoever takes the lease locks it FOR UPDATE and so waits for the
claims under way; a renewal does not, or a busy leader would lose its lease to its own claims. A standby
locks nothing before the lease has run out.
"""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from django.db import connection

from scheduler_app.errors import LeaseLost

logger = logging.getLogger(__name__)

LEASE_SECONDS = 3.5
RENEW_SECONDS = 1.0
CHANNEL = "stocksync_schedule"
LEASE_IS_FREE = "lease"
# The server ends the transaction of a process that freezes in a claim before its lease runs out.
IDLE_AT_MOST = "2s"
# The one row. It is made by the first process that asks.
ROW = 1

_MAKE = """
    INSERT INTO scheduler_lease (id, fence, process_id, expires_at)
    VALUES (%(row)s, 1, %(process)s, clock_timestamp() + %(seconds)s * interval '1 second')
    ON CONFLICT (id) DO NOTHING
    RETURNING fence
"""
_TAKE = """
    WITH free AS (
        SELECT id FROM scheduler_lease
        WHERE id = %(row)s AND (process_id IS NULL OR expires_at < clock_timestamp())
        FOR UPDATE
    )
    UPDATE scheduler_lease AS lease SET
        fence = lease.fence + 1,
        process_id = %(process)s,
        expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
    FROM free WHERE lease.id = free.id
    RETURNING lease.fence
"""
_RENEW = """
    UPDATE scheduler_lease
    SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
    WHERE id = %(row)s AND process_id = %(process)s AND fence = %(fence)s
    RETURNING fence
"""
_RESIGN = """
    WITH resigned AS (
        UPDATE scheduler_lease SET process_id = NULL, expires_at = clock_timestamp()
        WHERE id = %(row)s AND process_id = %(process)s
        RETURNING id
    )
    SELECT pg_notify(%(channel)s, %(free)s) FROM resigned
"""
_LEFT = """
    SELECT CASE WHEN process_id IS NULL THEN 0
        ELSE extract(epoch FROM expires_at - clock_timestamp()) END::float
    FROM scheduler_lease WHERE id = %(row)s
"""
_HOLD = """
    SELECT set_config('idle_in_transaction_session_timeout', %(idle)s, true)
    FROM scheduler_lease
    WHERE id = %(row)s AND process_id = %(process)s AND fence = %(fence)s
    FOR KEY SHARE
"""


class Leadership:
    """The lease as one process sees it. `keep` is called by one thread, the rest by any."""

    def __init__(self, process_id: UUID) -> None:
        self.process_id = process_id
        self._lock = threading.Lock()
        self._fence: int | None = None
        self._stands_by = False
        self._resigned = False

    @property
    def fence(self) -> int | None:
        """The number under which this process leads; None while another one does."""
        return self._fence

    def keep(self) -> float:
        """Renew the lease, or take it if it is free; the seconds until it should be asked again.

        Raises:
            django.db.Error: the database is away. Nobody else can take the lease in the meantime.
        """
        with self._lock:
            if self._resigned:
                return RENEW_SECONDS
            if self._fence is not None:
                if self._ask(_RENEW) is not None:
                    return RENEW_SECONDS
                logger.warning("action=lease_lost fence=%s: another process leads", self._fence)
                self._fence = None
            taken = self._ask(_TAKE)
            if taken is None:
                left = self._ask(_LEFT)
                taken = self._ask(_MAKE) if left is None else None
            if taken is None:
                if not self._stands_by:
                    logger.info("action=stand_by process=%s", self.process_id)
                self._stands_by = True
                return RENEW_SECONDS if left is None else min(max(left, 0.01), RENEW_SECONDS)
            self._fence, self._stands_by = int(taken), False
            logger.info("action=lead fence=%s", self._fence)
            return RENEW_SECONDS

    def resign(self) -> None:
        """Give the lease away for good, and wake the others at once.

        Raises:
            django.db.Error: the database is away; the lease then runs out by itself.
        """
        with self._lock:
            self._resigned = True
            self._fence = None
            self._ask(_RESIGN)

    def _ask(self, statement: str) -> float | None:
        with connection.cursor() as cursor:
            cursor.execute(
                statement,
                {
                    "row": ROW,
                    "process": self.process_id,
                    "fence": self._fence,
                    "seconds": LEASE_SECONDS,
                    "channel": CHANNEL,
                    "free": LEASE_IS_FREE,
                },
            )
            row = cursor.fetchone()
        return row[0] if row else None


def hold(process_id: UUID, fence: int) -> None:
    """Keep the lease from changing hands until the transaction of the caller ends.

    Raises:
        LeaseLost: the process does not lead under this fence.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLD, {"row": ROW, "process": process_id, "fence": fence, "idle": IDLE_AT_MOST}
        )
        if cursor.fetchone() is None:
            raise LeaseLost(f"This process leads no more under the fence {fence}.")
