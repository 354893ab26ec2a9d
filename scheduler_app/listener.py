"""Wakes the reconcile loop when the database says that something changed.

Only makes it faster: the loop looks by itself every second.
"""

from __future__ import annotations

import logging
import threading

from django.db import connection

logger = logging.getLogger(__name__)

CHANNEL = "stocksync_schedule"
WAIT_SECONDS = 0.25


class Listener(threading.Thread):
    """Listens on a connection of its own and sets `wake` at every notification."""

    def __init__(self, wake: threading.Event) -> None:
        super().__init__(name="listener", daemon=True)
        self._wake = wake
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen()
            except Exception as error:
                # The reconcile loop reports the outage; here it is only waited for.
                logger.debug("action=listen: %s", error)
                self._ended.wait(WAIT_SECONDS)
            finally:
                connection.close()

    def _listen(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        # What changed before the LISTEN is looked for now.
        self._wake.set()
        while not self._ended.is_set():
            for _notification in connection.connection.notifies(timeout=WAIT_SECONDS, stop_after=1):
                self._wake.set()

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=3)
