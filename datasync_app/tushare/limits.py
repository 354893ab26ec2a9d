"""Which limit holds for an endpoint. The source counts per endpoint, so each has its own limiter.

The setting wins; else the account's points decide; else a little below the common 200 a minute.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Callable

from datasync_app.tushare.outcomes import RateLimited, show_call
from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter
from datasync_app.tushare.wire import Call

DEFAULT_MAX_CALLS = 195
DEFAULT_WINDOW_SECONDS = 60.0
# Calls a minute by points: the tier's stated limit less a little, as other scripts may call too.
CALLS_BY_POINTS = ((10_000, 980), (5_000, 490), (2_000, 195), (0, 45))
# Of a limit that a refusal stated, this share is used: measured refusals came before the number.
STATED_SHARE = 0.95
MAX_SILENCE = dt.timedelta(hours=1)


def calls_for_points(points: int) -> int:
    """Calls a minute that an account with so many points may make of one endpoint."""
    return next(calls for threshold, calls in CALLS_BY_POINTS if points >= threshold)


class EndpointLimiters:
    """One limiter per endpoint, made when first asked for."""

    def __init__(
        self,
        max_calls: int | None = None,
        window_seconds: float = DEFAULT_WINDOW_SECONDS,
        *,
        points: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        call_timeout: float = 60.0,
    ) -> None:
        self._setting = max_calls
        self._window_seconds = window_seconds
        self._points = points
        self._clock = clock
        self._sleep = sleep
        self._call_timeout = call_timeout
        self._lock = threading.Lock()
        self._limiters: dict[str, SlidingWindowRateLimiter] = {}
        self._stated: dict[str, int] = {}
        self._exhausted: dict[str, tuple[RateLimited, dt.datetime]] = {}

    def for_endpoint(self, api_name: str) -> SlidingWindowRateLimiter:
        with self._lock:
            limiter = self._limiters.get(api_name)
            if limiter is None:
                limiter = self._limiters[api_name] = SlidingWindowRateLimiter(
                    self._limit(api_name),
                    self._window_seconds,
                    clock=self._clock,
                    sleep=self._sleep,
                    call_timeout=self._call_timeout,
                )
            return limiter

    def account_has(self, points: int) -> None:
        """The account's points are known now: they decide where no setting does."""
        with self._lock:
            self._points = points
            for api_name, limiter in self._limiters.items():
                limiter.set_max_calls(self._limit(api_name))

    def refused_at(self, api_name: str, stated: int) -> None:
        """A refusal stated so many calls a minute for this endpoint: stay below that."""
        limiter = self.for_endpoint(api_name)
        with self._lock:
            self._stated[api_name] = stated
            limiter.set_max_calls(self._limit(api_name))

    def exhausted(self, refusal: RateLimited, now: dt.datetime) -> None:
        """The calls of an hour or a day are used up: the endpoint is left alone for a while.

        Never for more than an hour, so that points bought meanwhile are noticed.
        """
        until = min(refusal.reset_at or now, now + MAX_SILENCE)
        with self._lock:
            self._exhausted[refusal.api_name] = (refusal, until)

    def check_exhausted(self, call: Call, now: dt.datetime) -> None:
        """Raises:
        RateLimited: the endpoint's hour or day is known to be used up, so asking is in vain.
        """
        with self._lock:
            refusal, until = self._exhausted.get(call.api_name, (None, now))
        if refusal is not None and now < until:
            raise RateLimited(
                f"{show_call(call.api_name, call.params)} was not asked until "
                f"{until:%Y-%m-%d %H:%M} UTC, as an earlier call was refused: {refusal}",
                limit=refusal.limit,
                unit=refusal.unit,
                reset_at=refusal.reset_at,
                code=refusal.code,
                api_name=call.api_name,
                params=call.params,
            )

    def _limit(self, api_name: str) -> int:
        if self._setting is not None:
            limit = self._setting
        elif self._points is not None:
            limit = calls_for_points(self._points)
        else:
            limit = DEFAULT_MAX_CALLS
        stated = self._stated.get(api_name)
        return limit if stated is None else min(limit, max(1, int(stated * STATED_SHARE)))


_shared: dict[tuple[str, str, int | None, float], EndpointLimiters] = {}
_shared_lock = threading.Lock()


def shared_limiters(
    token: str, base_url: str, max_calls: int | None, window_seconds: float
) -> EndpointLimiters:
    """The limiters of this token in this process: every client of the token counts together."""
    key = (fingerprint(token), base_url, max_calls, window_seconds)
    with _shared_lock:
        if key not in _shared:
            _shared[key] = EndpointLimiters(max_calls, window_seconds)
        return _shared[key]


def fingerprint(token: str) -> str:
    """Names a token without telling it."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]
