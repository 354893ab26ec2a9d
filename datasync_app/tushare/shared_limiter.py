"""The promise of `SlidingWindowRateLimiter` for all processes and hosts that share a database.

A slot is a row that counts until one window after the call's answer, or after its timeout, so the
slots of a killed process free themselves. The function `tushare_take_slot` decides, by the
database's clock. Inside a process callers are served in the order they came, and only the first of
them asks the database; across processes whoever asks first after a slot has become free gets it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import logging
import random
import threading
import time
from collections.abc import Callable
from types import TracebackType

from datasync_app.tushare.database import QuotaDatabase, QuotaUnavailable
from datasync_app.tushare.outcomes import CallCancelled
from datasync_app.tushare.rate_limiter import LOOK_AGAIN_SECONDS, Ticket, refuse_long_wait
from datasync_app.tushare.transport import utc_now

logger = logging.getLogger(__name__)

# A limit may be raised or a hold lifted by somebody else: never wait longer without asking.
ASK_AT_LEAST_EVERY = 2.0
# Processes that wait for the same slot do not all ask in the same millisecond.
JITTER_SECONDS = 0.004
# Waiters of an event loop look this often whether it is their turn.
TURN_SECONDS = 0.01

_TAKE = "SELECT slot, wait_seconds FROM tushare_take_slot(%s, %s, %s, %s, %s, %s)"
_ANSWERED = """
    UPDATE tushare_slot SET frees_at = least(
        frees_at, coalesce(%s, clock_timestamp()) + make_interval(secs => %s))
    WHERE id = %s
"""
_HOLD = """
    INSERT INTO tushare_endpoint_access (token_fingerprint, api_name, held_until)
    VALUES (%s, %s, coalesce(%s, clock_timestamp()) + make_interval(secs => %s))
    ON CONFLICT (token_fingerprint, api_name) DO UPDATE
    SET held_until = greatest(tushare_endpoint_access.held_until, excluded.held_until)
"""
_USED = """
    SELECT count(*) FROM tushare_slot
    WHERE token_fingerprint = %s AND api_name = %s AND frees_at > coalesce(%s, clock_timestamp())
"""


class SharedSlot:
    """The right to make one call. Leaving the `with` block marks its answer."""

    __slots__ = ("_id", "_is_answered", "_limiter")

    def __init__(self, limiter: SharedRateLimiter, slot_id: int) -> None:
        self._limiter = limiter
        self._id = slot_id
        self._is_answered = False

    def answered(self) -> None:
        """The answer is here, or will not come: the slot is free one window from now."""
        if not self._is_answered:
            self._is_answered = True
            self._limiter._mark_answered(self._id)

    def __enter__(self) -> SharedSlot:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.answered()


class SharedRateLimiter:
    """Exact for everybody who counts in the same database under the same account and endpoint.

    `moment` replaces the database's clock, `clock` this process's, in tests.
    """

    def __init__(
        self,
        database: QuotaDatabase,
        account: str,
        api_name: str,
        max_calls: int,
        window_seconds: float,
        *,
        call_timeout: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        moment: Callable[[], dt.datetime | None] = lambda: None,
        jitter: float = JITTER_SECONDS,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        if max_calls < 1 or window_seconds <= 0:
            raise ValueError(
                f"A limit of {max_calls} calls in {window_seconds} s cannot be kept: at least one "
                "call in a window longer than nothing is needed."
            )
        self.window_seconds = float(window_seconds)
        self._database = database
        self._account = account
        self._api_name = api_name
        self._max_calls = max_calls
        self._call_timeout = call_timeout
        self._clock = clock
        self._moment = moment
        self._jitter = jitter
        self._now = now
        self._turn = threading.Condition()
        self._queue: dict[Ticket, None] = {}  # in the order they came
        self._ask_again_at = float("-inf")
        self._room_at = float("-inf")  # at the earliest, when last asked

    @property
    def max_calls(self) -> int:
        return self._max_calls

    def set_max_calls(self, max_calls: int) -> None:
        """Another limit from now on, for instance the one that a refusal stated."""
        if max_calls != self._max_calls:
            with self._turn:
                self._max_calls = max(1, max_calls)
                self._ask_again_at = self._room_at = float("-inf")

    def hold(self, seconds: float) -> None:
        """Let nothing go for that long, in any process. A later end wins over an earlier one."""
        self._database.rows(_HOLD, [self._account, self._api_name, self._moment(), seconds])

    def used(self) -> int:
        """Slots that count now, of all processes."""
        counted = self._database.rows(_USED, [self._account, self._api_name, self._moment()])
        return int(counted[0][0])

    def reserve(self, ticket: Ticket) -> SharedSlot | float:
        """A slot, or the seconds after which asking again makes sense. Never sleeps.

        A ticket that got no slot has its place in the queue until it gets one or `leave`s.
        """
        with self._turn:
            self._queue.setdefault(ticket)
            wait = self._ask_again_at - self._clock()
            if next(iter(self._queue)) is not ticket:
                return max(wait, TURN_SECONDS)
            if wait > 0:
                return wait
        slot = self._take()
        with self._turn:
            if isinstance(slot, SharedSlot):
                self._room_at = float("-inf")
                self._queue.pop(ticket, None)
                self._turn.notify_all()
            else:
                self._room_at = self._clock() + slot
                slot = min(slot, ASK_AT_LEAST_EVERY) + random.random() * self._jitter  # noqa: S311
                self._ask_again_at = self._clock() + slot
            return slot

    def leave(self, ticket: Ticket) -> None:
        """Give the place in the queue up."""
        with self._turn:
            if ticket in self._queue:
                del self._queue[ticket]
                self._turn.notify_all()

    def acquire_blocking(self, cancelled: Callable[[], bool] | None = None) -> SharedSlot:
        """Wait for a slot on this thread.

        Raises:
            CallCancelled: `cancelled` said so while waiting.
            LongWait: it would take more than LONGEST_WAIT_SECONDS.
            QuotaUnavailable: the database cannot be asked.
        """
        ticket, came = Ticket(), self._clock()
        try:
            while True:
                if cancelled is not None and cancelled():
                    raise CallCancelled("The call was cancelled while it waited for quota.")
                slot = self.reserve(ticket)
                if isinstance(slot, SharedSlot):
                    return slot
                self._refuse_long_wait(came)
                self._wait(ticket, min(slot, LOOK_AGAIN_SECONDS))
        finally:
            self.leave(ticket)

    async def acquire(self) -> SharedSlot:
        """As `acquire_blocking`, on this event loop; cancelling the task gives the place up."""
        ticket, came = Ticket(), self._clock()
        gone = threading.Event()
        ask = functools.partial(self._reserve_unless, gone, ticket)
        loop = asyncio.get_running_loop()
        try:
            while True:
                asked = loop.run_in_executor(None, ask)
                try:
                    slot = await asyncio.shield(asked)
                except asyncio.CancelledError:
                    gone.set()
                    asked.add_done_callback(_give_back)
                    raise
                if isinstance(slot, SharedSlot):
                    return slot
                self._refuse_long_wait(came)
                await asyncio.sleep(min(slot, LOOK_AGAIN_SECONDS))
        finally:
            self.leave(ticket)

    def _reserve_unless(self, gone: threading.Event, ticket: Ticket) -> SharedSlot | float:
        """As `reserve`; the caller may be cancelled before, or while, the database is asked."""
        slot = self.reserve(ticket)
        if gone.is_set():
            self.leave(ticket)
            if isinstance(slot, SharedSlot):
                slot.answered()
        return slot

    def _refuse_long_wait(self, came: float) -> None:
        limit = f"{self._max_calls} calls in {self.window_seconds:g} s"
        clock = self._clock()
        left = max(self._room_at - clock, 0.0)
        refuse_long_wait(self._api_name, limit, waited=clock - came, left=left, now=self._now())

    def _wait(self, ticket: Ticket, seconds: float) -> None:
        """Sleep without any lock, until it may be this caller's turn."""
        with self._turn:
            if next(iter(self._queue), ticket) is not ticket or self._ask_again_at > self._clock():
                self._turn.wait(seconds)

    def _take(self) -> SharedSlot | float:
        [(slot_id, wait)] = self._database.rows(
            _TAKE,
            [
                self._account,
                self._api_name,
                self._max_calls,
                self.window_seconds,
                self._call_timeout,
                self._moment(),
            ],
        )
        return SharedSlot(self, slot_id) if slot_id is not None else float(wait)

    def _mark_answered(self, slot_id: int) -> None:
        """Without the database the slot counts until its timeout; the call's answer is not lost."""
        try:
            self._database.rows(_ANSWERED, [self._moment(), self.window_seconds, slot_id])
        except QuotaUnavailable as error:
            logger.warning("action=slot_answered api_name=%s: %s", self._api_name, error)


def _give_back(asked: asyncio.Future[SharedSlot | float]) -> None:
    """A slot that arrived for a cancelled caller counts no longer than an answered one."""
    if not asked.cancelled() and asked.exception() is None:
        slot = asked.result()
        if isinstance(slot, SharedSlot):
            slot.answered()
