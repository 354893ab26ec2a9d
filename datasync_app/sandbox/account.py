"""What an account may do: points decide the endpoints it may call and how often."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from datasync_app.protocol import ENDPOINTS, no_permission, rate_exceeded

UNITS = {"minute": "分钟", "hour": "小时", "day": "天"}
_MINUTES = {"分钟": 1, "小时": 60, "天": 1440}


@dataclass(frozen=True)
class Quota:
    """So many calls of one endpoint in any window of a minute, an hour or a day; 0: no limit."""

    calls: int
    unit: str = "分钟"


def quota_of(points: int) -> Quota:
    """Calls a minute by points, as published."""
    for least, calls in ((10_000, 1000), (5_000, 500), (2_000, 200)):
        if points >= least:
            return Quota(calls)
    return Quota(50)


def check_permission(api_name: str, points: int) -> None:
    """Every endpoint has its threshold; 2,000 points where none is documented.

    Raises:
        Refusal: the points do not suffice.
    """
    endpoint = ENDPOINTS.get(api_name)
    needed = endpoint.minimal_points if endpoint else 2000
    if points < needed:
        raise no_permission(api_name)


@dataclass
class CallWindows:
    """Counts arrivals per (token, endpoint) in a sliding window; a refused call counts too.

    Because refusals count, only the last `calls` arrivals matter: a call is refused while the
    oldest of them is still inside the window. Tokens are kept as salted digests only. A minute may
    last less than 60 seconds; hours and days scale with it.
    """

    monotonic: Callable[[], float]
    minute_seconds: float = 60.0
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)
    _arrivals: dict[tuple[bytes, str], deque[float]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, token: str, api_name: str, quota: Quota) -> None:
        """Count one call that arrived now.

        Raises:
            Refusal: the window is full.
        """
        if not quota.calls:
            return
        key = (hashlib.blake2b(token.encode(), key=self._salt).digest(), api_name)
        window = _MINUTES[quota.unit] * self.minute_seconds
        with self._lock:
            now = self.monotonic()
            arrivals = self._arrivals.get(key, deque())
            if arrivals.maxlen != quota.calls:  # the first call, or another quota from now on
                arrivals = self._arrivals[key] = deque(arrivals, maxlen=quota.calls)
            full = len(arrivals) == quota.calls and now - arrivals[0] < window
            arrivals.append(now)
        if full:
            raise rate_exceeded(api_name, quota.calls, quota.unit)
