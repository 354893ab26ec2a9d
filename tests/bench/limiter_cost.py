"""What a call pays for the limiter when there is room, beside what the call itself costs."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.bench.report import say, table

QUOTA = 200
IN_PROCESS_CALLS = 50_000
SHARED_CALLS = 2_000


def run() -> None:
    say("Limiter, cost of a call that finds room (one thread, window about full)")
    table(
        ("", "per call"),
        [
            ("counted in this process", f"{in_process() * 1e3:.3f} ms"),
            ("counted in PostgreSQL", f"{shared() * 1e3:.3f} ms"),
            ("PostgreSQL, two statements that do nothing", f"{two_statements() * 1e3:.3f} ms"),
        ],
    )


def in_process() -> float:
    """Seconds per call."""
    from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter

    # A clock that moves on so much with every look that a slot is always just free.
    step = 60 / QUOTA
    ticks = itertools.count()
    limiter = SlidingWindowRateLimiter(QUOTA, 60, clock=lambda: next(ticks) * step)
    return _per_call(limiter.acquire_blocking, IN_PROCESS_CALLS)


def shared() -> float:
    """Seconds per call: one statement takes the slot, one marks its answer."""
    from datasync_app.tushare.database import quota_database
    from datasync_app.tushare.shared_limiter import SharedRateLimiter

    began = dt.datetime.now(dt.UTC)
    ticks = itertools.count()
    # As above: the second look of a call, at its answer, moves the clock on as well.
    limiter = SharedRateLimiter(
        quota_database(),
        "bench",
        "daily",
        QUOTA,
        60,
        moment=lambda: began + dt.timedelta(seconds=next(ticks) * 60 / QUOTA),
    )
    return _per_call(limiter.acquire_blocking, SHARED_CALLS)


def two_statements() -> float:
    """What the same number of round trips costs without any counting."""
    from datasync_app.tushare.database import quota_database

    @contextmanager
    def nothing() -> Iterator[None]:
        quota_database().rows("SELECT 1")
        yield
        quota_database().rows("SELECT 1")

    return _per_call(nothing, SHARED_CALLS)


def _per_call(acquire: Callable[[], AbstractContextManager[object]], calls: int) -> float:
    for _ in range(calls // 10):
        with acquire():
            pass
    started = time.perf_counter()
    for _ in range(calls):
        with acquire():
            pass
    return (time.perf_counter() - started) / calls
