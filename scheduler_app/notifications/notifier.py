"""What the notifying thread of a `runscheduler` does, while that one is active."""

from __future__ import annotations

import time

from django.utils import timezone

from scheduler_app.notifications import digest, outbox, watch

LOOK_SECONDS = 10.0
SEND_SECONDS = 2.0
TIDY_SECONDS = 3600.0


class Notifier:
    def __init__(self) -> None:
        self._look_at = 0.0
        self._tidy_at = 0.0

    def work(self) -> float:
        """Look for news every ten seconds, send what waits; the seconds until there may be more.

        Raises:
            django.db.Error: the database is away; nothing is lost.
        """
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            now = timezone.now()
            watch.look(now)
            digest.write_due(now)
            outbox.ping_due(now)
        outbox.send_due(timezone.now())
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            outbox.forget_old(timezone.now())
        return SEND_SECONDS
