"""Wakes the threads of the service when the database says that something changed.

Only makes it faster: they look by themselves every second.
"""

from __future__ import annotations

import logging
import threading

from django.db import connection

from scheduler_app.leadership import CHANNEL, LEASE_IS_FREE

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.25


class Listener(threading.Thread):
    """Listens on a connection of its own : `lease_is_free` and `changed` are set by what is told."""

    def __init__(self, changed: threading.Event, lease_is_free: threading.Event) -> None:
        super().__init__(name="listener", daemon=True)
        self._changed = changed
        self._lease_is_free = lease_is_free
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
        self._changed.set()
        self._lease_is_free.set()
        while not self._ended.is_set():
            for told in connection.connection.notifies(timeout=WAIT_SECONDS, stop_after=1):
                is_free = told.payload == LEASE_IS_FREE
                (self._lease_is_free if is_free else self._changed).set()

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=3)
