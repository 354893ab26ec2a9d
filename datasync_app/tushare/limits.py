"""One limiter per endpoint, under the limit that holds for it now, and what is refused unasked.

The source counts per endpoint. The setting wins; else what staff set, else what a refusal taught,
else what the account's points allow, else a little below the common 200 a minute.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from datasync_app.tushare.access import Access, LimitRules
from datasync_app.tushare.account import Account
from datasync_app.tushare.addresses import is_loopback
from datasync_app.tushare.database import quota_database
from datasync_app.tushare.knowledge import Knowledge, MemoryKnowledge, StoredKnowledge
from datasync_app.tushare.outcomes import Denied, RateLimited, show_call
from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter
from datasync_app.tushare.shared_limiter import SharedRateLimiter
from datasync_app.tushare.transport import utc_now
from datasync_app.tushare.turns import OwnTurn, SharedTurn, Turn, turn_while
from datasync_app.tushare.wire import Call

DEFAULT_WINDOW_SECONDS = 60.0
# A call that has not ended by then counts as answered: twice the deadline of a call.
DEFAULT_CALL_TIMEOUT = 60.0

Limiter = SlidingWindowRateLimiter | SharedRateLimiter


class MakeLimiter(Protocol):
    def __call__(self, api_name: str, max_calls: int) -> Limiter: ...


class EndpointLimiters:
    """The limiters of one account, made when first asked for.

    By default they count in this process and forget with it; `stored_limiters` makes those that
    count and know in the database, for all processes.
    """

    def __init__(
        self,
        max_calls: int | None = None,
        window_seconds: float = DEFAULT_WINDOW_SECONDS,
        *,
        points: int | None = None,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], dt.datetime] = utc_now,
        call_timeout: float = DEFAULT_CALL_TIMEOUT,
        rules: LimitRules | None = None,
        knowledge: Knowledge | None = None,
        make: MakeLimiter | None = None,
        make_turn: Callable[[str], Turn] = lambda api_name: OwnTurn(),
    ) -> None:
        self.rules = rules or LimitRules(max_calls, window_seconds, share)
        self.knowledge = knowledge or MemoryKnowledge(self.rules, points)
        self._now = now

        def in_process(api_name: str, max_calls: int) -> Limiter:
            return SlidingWindowRateLimiter(
                max_calls,
                self.rules.window_seconds,
                clock=clock,
                sleep=sleep,
                call_timeout=call_timeout,
                api_name=api_name,
                now=now,
            )

        self._make = make or in_process
        self._lock = threading.Lock()
        self._limiters: dict[str, Limiter] = {}
        self._make_turn = make_turn
        self._turns: dict[str, Turn] = {}

    def for_endpoint(self, api_name: str) -> Limiter:
        """Its limiter, under the limit that holds now."""
        limit = self.rules.in_force(self.knowledge.of(api_name, self._now()))
        with self._lock:
            limiter = self._limiters.get(api_name)
            if limiter is None:
                limiter = self._limiters[api_name] = self._make(api_name, limit)
        if limiter.max_calls != limit:
            limiter.set_max_calls(limit)
        return limiter

    def last_limit(self, api_name: str) -> int:
        """The limit that held when it was last asked for; nothing is asked now."""
        with self._lock:
            limiter = self._limiters.get(api_name)
        return limiter.max_calls if limiter else self.rules.in_force(Access(self._now()))

    def account_has(self, account: Account, now: dt.datetime | None = None) -> None:
        """The account's points are known now: they decide where no setting does."""
        self.knowledge.account_has(account, now or self._now())

    def refused(self, refusal: RateLimited, now: dt.datetime) -> None:
        """Learn from a refusal: hold the endpoint until its window has passed, or until its reset.

        The source counts refused calls too, so only a full window of silence helps.
        """
        if not refusal.is_short:
            self.knowledge.spend(refusal, now)
            return
        limiter = self.for_endpoint(refusal.api_name)
        limiter.hold(self.rules.refusal_lasts.total_seconds())
        self.knowledge.learn(refusal.api_name, refusal.limit, limiter.used(), now)

    def denied(self, refusal: Denied, now: dt.datetime) -> None:
        """This account may not call the endpoint: it is not asked again for a while."""
        self.knowledge.deny(refusal, now)

    def answered(self, api_name: str, now: dt.datetime) -> None:
        """The endpoint answered: earlier denials of it are over."""
        if self.knowledge.of(api_name, now).says_new():
            self.knowledge.allow(api_name, now)

    def alone_while_unsure(
        self, api_name: str, check: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """A turn of one's own while the endpoint may be denied: not answered lately, or refused.

        `check` is called while others have theirs, and raises to give up.
        """
        with self._lock:
            turn = self._turns.get(api_name)
            if turn is None:
                turn = self._turns[api_name] = self._make_turn(api_name)
        return turn_while(
            lambda: self.knowledge.of(api_name, self._now()).says_new(),
            turn,
            check=check,
            look_anew=lambda: self.knowledge.look_anew(api_name),
        )

    def check(self, call: Call, now: dt.datetime) -> None:
        """Whether asking makes sense; limits that are due to rise do so on the way.

        Raises:
            Denied: this account was denied the endpoint, lately enough to be believed.
            RateLimited: the endpoint's hour or day is known to be used up.
        """
        access = self.knowledge.of(call.api_name, now)
        asked = show_call(call.api_name, call.params)
        if denial := access.denial_in_force():
            raise Denied(
                f"{asked} was not asked, as it was denied at {denial.at:%Y-%m-%d %H:%M} UTC: "
                f"{denial.text}",
                kind=denial.kind,
                until=denial.until,
                code=denial.code,
                api_name=call.api_name,
                params=call.params,
            )
        if spent := access.spent_in_force():
            raise RateLimited(
                f"{asked} was not asked until {spent.until:%Y-%m-%d %H:%M} UTC, as an earlier call "
                f"was refused: {spent.text}",
                limit=spent.limit,
                unit=spent.unit,
                reset_at=spent.until,
                code=spent.code,
                api_name=call.api_name,
                params=call.params,
            )
        limit = self.rules.raised(access)
        if limit is not None:
            self.knowledge.raise_limit(call.api_name, access, limit)


_stored: dict[tuple[str, LimitRules], EndpointLimiters] = {}
_stored_lock = threading.Lock()


def stored_limiters(account: str, rules: LimitRules, *, is_local: bool = False) -> EndpointLimiters:
    """The limiters of an account that all processes share; those of one process queue together."""
    with _stored_lock:
        limiters = _stored.get((account, rules))
        if limiters is None:
            database = quota_database()

            def shared(api_name: str, max_calls: int) -> Limiter:
                return SharedRateLimiter(
                    database,
                    account,
                    api_name,
                    max_calls,
                    rules.window_seconds,
                    call_timeout=DEFAULT_CALL_TIMEOUT,
                )

            limiters = _stored[account, rules] = EndpointLimiters(
                rules=rules,
                knowledge=StoredKnowledge(database, account, rules, is_local=is_local),
                make=shared,
                make_turn=lambda api_name: SharedTurn(database, account, api_name),
            )
        return limiters


def fingerprint(token: str) -> str:
    """Names a token without telling it."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def account_of(token: str, base_url: str) -> str:
    """The name under which an account is known here: the token's fingerprint.

    On loopback any word serves as a token, and each server there counts for itself.
    """
    return fingerprint(f"{token} {base_url.rstrip('/')}" if is_loopback(base_url) else token)
