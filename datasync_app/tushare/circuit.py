"""Stops calling a source that is away, so that an outage costs neither quota nor hours.

After FAILURES transport failures in a row, of any endpoint, calls fail at once for a growing time;
then one call is let go as a probe. It closes the circuit, or opens it for twice as long. A probe that
nobody hears of again, as its thread died, stands in the way of others for no longer than a call lasts.
"""

from __future__ import annotations

import enum
import logging
import sys
import threading
import time
from collections.abc import Callable

FAILURES = 5
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 600.0
# A window's wait for a slot and the deadline of the call itself, with room to spare.
PROBE_SECONDS = 120.0
NEVER = sys.maxsize

logger = logging.getLogger(__name__)


class Way(enum.Enum):
    """Whether a call may be made now."""

    FREE = "free"
    PROBE = "probe"
    """It is the one that finds out whether the source is back."""
    BARRED = "barred"


class Circuit:
    """Of one source, for all threads of the process."""

    def __init__(
        self,
        name: str = "source",
        *,
        failures: int = FAILURES,
        first_pause: float = FIRST_PAUSE_SECONDS,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
        probe_seconds: float = PROBE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._failures = failures
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._probe_seconds = probe_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._pause = 0.0
        self._open_until: float | None = None
        self._probe_ends: float | None = None
        self.reason = ""

    def seconds_left(self) -> float:
        """How long calls still fail at once; 0 when they are let go, or one is or could be the probe."""
        with self._lock:
            return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock())

    def let_go(self) -> Way:
        """Whoever may call says how it ended: `succeeded`, `failed` or `gave_up`."""
        with self._lock:
            if self._open_until is None:
                return Way.FREE
            now = self._clock()
            if now < self._open_until or (self._probe_ends is not None and now < self._probe_ends):
                return Way.BARRED
            self._probe_ends = now + self._probe_seconds
            return Way.PROBE

    def succeeded(self) -> None:
        """The source answered, with whatever."""
        with self._lock:
            was_open = self._open_until is not None
            self._in_a_row, self._pause = 0, 0.0
            self._open_until = self._probe_ends = None
        if was_open:
            logger.warning("action=circuit_closed source=%s it answers again", self._name)

    def failed(self, reason: str) -> None:
        """No usable answer arrived."""
        with self._lock:
            self._in_a_row += 1
            self.reason = reason
            was_open = self._open_until is not None
            if was_open and self._probe_ends is None:
                return  # under way since before it opened
            if not was_open and self._in_a_row < self._failures:
                return
            self._pause = min(self._pause * 2 or self._first_pause, self._longest_pause)
            self._open_until, self._probe_ends = self._clock() + self._pause, None
            pause = self._pause
        logger.warning(
            "action=circuit_open source=%s seconds=%.0f reason=%s", self._name, pause, reason
        )

    def gave_up(self, way: Way) -> None:
        """The call was not made, or nobody knows how it ended; another may be the probe."""
        if way is Way.PROBE:
            with self._lock:
                self._probe_ends = None


_circuits: dict[str, Circuit] = {}
_circuits_lock = threading.Lock()


def circuit_of(base_url: str) -> Circuit:
    """The circuit of this source in this process."""
    with _circuits_lock:
        return _circuits.setdefault(base_url, Circuit(base_url))
