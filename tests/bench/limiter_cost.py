"""What a call pays for the limiter when there is room, beside what the call itself costs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.bench.report import say, table

QUOTA = 200
IN_PROCESS_CALLS = 50_000


def run() -> None:
    say("Limiter, cost of a call that finds room (one thread, window about full)")
    table(("", "per call"), [("in this process", f"{in_process() * 1e6:.1f} µs")])


def in_process() -> float:
    """Seconds per call."""
    from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter

    # A clock that moves on so much with every look that a slot is always just free.
    step = 60 / QUOTA
    ticks = itertools.count()
    limiter = SlidingWindowRateLimiter(QUOTA, 60, clock=lambda: next(ticks) * step)
    return _per_call(limiter.acquire_blocking, IN_PROCESS_CALLS)


def _per_call(acquire: Callable[[], AbstractContextManager[object]], calls: int) -> float:
    for _ in range(calls // 10):
        with acquire():
            pass
    started = time.perf_counter()
    for _ in range(calls):
        with acquire():
            pass
    return (time.perf_counter() - started) / calls
