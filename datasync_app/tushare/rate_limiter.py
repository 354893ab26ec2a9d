"""At most so many calls in any window, counted as the source counts them: by arrival.

We do not see arrivals, but each lies between letting the call go and its answer. So a slot counts
from the moment the call is let go until one full window after its answer (or its timeout), and no
placement of the source's window can hold more calls than the limit. Stamping the send instead was
simulated at 300 ms latency: 881 of 2,000 calls refused.
"""

from __future__ import annotations

import asyncio
import bisect
import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType

from datasync_app.tushare.outcomes import CallCancelled, LongWait
from datasync_app.tushare.transport import utc_now

# Waiters look again this often, for a cancellation or a place that somebody ahead gave up.
LOOK_AGAIN_SECONDS = 0.2
# Whoever would wait longer, all in all, is told so instead: a run ends and goes on later.
LONGEST_WAIT_SECONDS = 600.0


class Slot:
    """The right to make one call. Leaving the `with` block marks its answer."""

    __slots__ = ("_limiter", "taken_at")

    def __init__(self, limiter: SlidingWindowRateLimiter, taken_at: float) -> None:
        self._limiter = limiter
        self.taken_at = taken_at

    def answered(self) -> None:
        """The answer is here, or will not come: the slot is free one window from now."""
        self._limiter._mark_answered(self)

    def __enter__(self) -> Slot:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.answered()


class Ticket:
    """A place in the queue of those who wait."""

    __slots__ = ()


def refuse_long_wait(
    api_name: str, limit: str, *, waited: float, left: float, now: dt.datetime
) -> None:
    """Raise LongWait if a caller that has waited so many seconds would have to go on for too long."""
    if waited + left <= LONGEST_WAIT_SECONDS:
        return
    reset_at = now + dt.timedelta(seconds=left)
    raise LongWait(
        f"{api_name or 'The endpoint'} was not asked, as there is no room under its limit of {limit} "
        f"before {reset_at:%Y-%m-%d %H:%M:%S} UTC.",
        reset_at=reset_at,
        api_name=api_name,
    )


class SlidingWindowRateLimiter:
    """Exact, first come first served, for all threads and event loops of the process.

    Bursts are free while the window has room. Nothing sleeps under the lock, and nothing is bound
    to an event loop. A slot whose answer is never marked counts as answered after `call_timeout`.
    """

    def __init__(
        self,
        max_calls: int,
        window_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        async_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        call_timeout: float = 60.0,
        api_name: str = "",
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        if max_calls < 1 or window_seconds <= 0:
            raise ValueError(
                f"A limit of {max_calls} calls in {window_seconds} s cannot be kept: at least one "
                "call in a window longer than nothing is needed."
            )
        self.window_seconds = float(window_seconds)
        self._max_calls = max_calls
        self._clock = clock
        self._sleep = sleep
        self._async_sleep = async_sleep
        self._call_timeout = call_timeout
        self._api_name = api_name
        self._now = now
        self._lock = threading.Lock()
        self._in_flight: dict[Slot, None] = {}  # in the order they were taken
        self._frees: deque[float] = deque()  # when answered slots become free, ascending
        self._queue: dict[Ticket, None] = {}  # in the order they came
        self._held_until = float("-inf")

    @property
    def max_calls(self) -> int:
        return self._max_calls

    def set_max_calls(self, max_calls: int) -> None:
        """Another limit from now on, for instance the one that a refusal stated."""
        with self._lock:
            self._max_calls = max(1, max_calls)

    def hold(self, seconds: float) -> None:
        """Let nothing go for that long. A later end wins over an earlier one."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def used(self) -> int:
        """Slots that count now: calls in flight, and answers less than one window old."""
        with self._lock:
            self._settle(self._clock())
            return len(self._in_flight) + len(self._frees)

    def reserve(self, ticket: Ticket) -> Slot | float:
        """A slot, or the seconds after which asking again makes sense. Never sleeps.

        A ticket that got no slot has its place in the queue until it gets one or `leave`s.
        """
        with self._lock:
            now = self._clock()
            self._settle(now)
            self._queue.setdefault(ticket)
            ahead = next(place for place, other in enumerate(self._queue) if other is ticket)
            wait = max(self._held_until - now, self._until_free(ahead + 1, now))
            if wait > 0:
                return wait
            del self._queue[ticket]
            slot = Slot(self, now)
            self._in_flight[slot] = None
            return slot

    def leave(self, ticket: Ticket) -> None:
        """Give the place in the queue up."""
        with self._lock:
            self._queue.pop(ticket, None)

    def acquire_blocking(self, cancelled: Callable[[], bool] | None = None) -> Slot:
        """Wait for a slot on this thread.

        Raises:
            CallCancelled: `cancelled` said so while waiting.
            LongWait: it would take more than LONGEST_WAIT_SECONDS.
        """
        ticket, came = Ticket(), self._clock()
        try:
            while True:
                if cancelled is not None and cancelled():
                    raise CallCancelled("The call was cancelled while it waited for quota.")
                slot = self.reserve(ticket)
                if isinstance(slot, Slot):
                    return slot
                self._refuse_long_wait(came, slot)
                self._sleep(min(slot, LOOK_AGAIN_SECONDS))
        finally:
            self.leave(ticket)

    async def acquire(self) -> Slot:
        """As `acquire_blocking`, on this event loop; cancelling the task gives the place up."""
        ticket, came = Ticket(), self._clock()
        try:
            while not isinstance(slot := self.reserve(ticket), Slot):
                self._refuse_long_wait(came, slot)
                await self._async_sleep(min(slot, LOOK_AGAIN_SECONDS))
            return slot
        finally:
            self.leave(ticket)

    def _refuse_long_wait(self, came: float, left: float) -> None:
        limit = f"{self._max_calls} calls in {self.window_seconds:g} s"
        waited = self._clock() - came
        refuse_long_wait(self._api_name, limit, waited=waited, left=left, now=self._now())

    def _settle(self, now: float) -> None:
        """Drop what no longer counts; count overdue calls as answered at their timeout."""
        while self._in_flight:
            oldest = next(iter(self._in_flight))
            if oldest.taken_at + self._call_timeout > now:
                break
            del self._in_flight[oldest]
            bisect.insort(self._frees, oldest.taken_at + self._call_timeout + self.window_seconds)
        while self._frees and self._frees[0] <= now:
            self._frees.popleft()

    def _until_free(self, slots: int, now: float) -> float:
        """Seconds until so many slots are free, at the earliest; 0 or less when they are."""
        missing = slots + len(self._in_flight) + len(self._frees) - self._max_calls
        if missing <= 0:
            return 0.0
        if missing <= len(self._frees):
            return self._frees[missing - 1] - now
        return self.window_seconds  # calls in flight, which could be answered this very moment

    def _mark_answered(self, slot: Slot) -> None:
        with self._lock:
            now = self._clock()
            self._settle(now)
            if slot in self._in_flight:
                del self._in_flight[slot]
                bisect.insort(self._frees, now + self.window_seconds)
