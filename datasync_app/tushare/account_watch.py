"""Sees to it that the account's points are known before they decide: asks for them when it is time."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable

from datasync_app.tushare.account import Account
from datasync_app.tushare.knowledge import ACCOUNT_AGAIN, Knowledge
from datasync_app.tushare.outcomes import (
    CallCancelled,
    DenialKind,
    Denied,
    RateLimited,
    SourceAway,
    TransportFailure,
    TushareError,
    Uncounted,
)
from datasync_app.tushare.rate_limiter import LOOK_AGAIN_SECONDS

EXPIRY_NEAR = dt.timedelta(days=14)

Cancelled = Callable[[], bool] | None
logger = logging.getLogger(__name__)


class AccountWatch:
    """Of one client. `ask` makes the call of `user`, `clock` counts seconds."""

    def __init__(
        self,
        knowledge: Knowledge,
        ask: Callable[[Cancelled], Account],
        *,
        clock: Callable[[], float],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._knowledge = knowledge
        self._ask = ask
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._look_at: float | None = None  # never looked yet

    def look_when_due(self, cancelled: Cancelled) -> None:
        """Ask for the points unless they are known. That they stay unknown is no error.

        Raises:
            CallCancelled: `cancelled` said so while waiting.
        """
        if not self._is_due():
            return
        while not self._lock.acquire(timeout=LOOK_AGAIN_SECONDS):
            if cancelled is not None and cancelled():
                raise CallCancelled("The call was cancelled while the account was asked for.")
        try:
            if self._is_due():
                self._look(cancelled)
                # Only now: a call beside this one must not be judged by what the answer changes.
                self._look_at = self._clock() + ACCOUNT_AGAIN.total_seconds()
        finally:
            self._lock.release()

    def _is_due(self) -> bool:
        return self._look_at is None or self._clock() >= self._look_at

    def _look(self, cancelled: Cancelled) -> None:
        is_news = self._look_at is None
        account = self._knowledge.account()
        if self._knowledge.may_ask_account(self._now()):
            is_news = True
            try:
                account = self._ask(cancelled)
            except TushareError as failure:
                logger.warning("action=account the points stay unknown: %s", failure)
                if _is_final(failure):
                    self._knowledge.account_is_not_told(self._now())
        if is_news:
            self._warn_of_expiry(account)

    def _warn_of_expiry(self, account: Account | None) -> None:
        if account and account.expires and account.expires - self._now().date() <= EXPIRY_NEAR:
            logger.warning("action=account points=%s expire on %s", account.points, account.expires)


def _is_final(failure: TushareError) -> bool:
    """Whether asking again soon is pointless, as for a relay that does not offer the endpoint."""
    if isinstance(failure, Denied):
        return failure.kind is DenialKind.PERMISSION
    if isinstance(failure, TransportFailure):
        return not failure.transient and not isinstance(failure, SourceAway)
    return not isinstance(failure, RateLimited | Uncounted)
