"""How long calls take, and from it how many to have under way at once."""

from __future__ import annotations

import math
import threading
from collections import deque

REMEMBERED = 100
UNKNOWN_SECONDS = 0.5
# The most keeps 500 calls a minute busy while each takes almost six seconds.
FEWEST, MOST = 2, 48


class Latencies:
    """The last calls of each endpoint, in seconds from sending to the end of the answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, deque[float]] = {}

    def note(self, api_name: str, seconds: float) -> None:
        with self._lock:
            self._seconds.setdefault(api_name, deque(maxlen=REMEMBERED)).append(seconds)

    def p90(self, api_name: str) -> float:
        """Nine of ten calls were faster; of all endpoints while this one was never called."""
        with self._lock:
            own = self._seconds.get(api_name)
            known = sorted(own or [each for many in self._seconds.values() for each in many])
        return known[math.ceil(0.9 * len(known)) - 1] if known else UNKNOWN_SECONDS


def calls_to_hide(latency_seconds: float, max_calls: int, window_seconds: float) -> int:
    """The calls under way at once that keep up with the limit at this latency, and one more."""
    wanted = math.ceil(max_calls / window_seconds * latency_seconds) + 1
    return min(max(wanted, FEWEST), MOST)
