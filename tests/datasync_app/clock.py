"""One virtual time for a run, its client and the source."""

from __future__ import annotations

import datetime as dt


class Clock:
    """Aware moments when called; `sleep` moves it on at once."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)
