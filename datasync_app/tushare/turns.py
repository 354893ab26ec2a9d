"""One call at a time while it is open whether an endpoint may be called: a denial is then one refusal.

In a process a lock does; across processes an advisory lock of the database that counts the calls.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from datasync_app.tushare.database import QuotaDatabase, QuotaUnavailable
from datasync_app.tushare.rate_limiter import LOOK_AGAIN_SECONDS

logger = logging.getLogger(__name__)

# Longer than a call lasts: whoever keeps others waiting for more has been stopped amid its own.
PATIENCE_SECONDS = 120.0
_KEY = "hashtextextended(%s || ' ' || %s, 7325014)"


class Turn(Protocol):
    def wait(self, check: Callable[[], None]) -> None:
        """Wait for it. `check` is called every now and then, and raises to give up."""

    def end(self) -> None: ...


class OwnTurn:
    """Among the threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def wait(self, check: Callable[[], None]) -> None:
        while not self._lock.acquire(timeout=LOOK_AGAIN_SECONDS):
            check()

    def end(self) -> None:
        self._lock.release()


class SharedTurn:
    """Among all processes that share a database; whoever waits for too long goes all the same."""

    def __init__(
        self,
        database: QuotaDatabase,
        account: str,
        api_name: str,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._database = database
        self._values = [account, api_name]
        self._patience = patience
        self._own = OwnTurn()
        self._has_lock = False

    def wait(self, check: Callable[[], None]) -> None:
        self._own.wait(check)
        try:
            end = time.monotonic() + self._patience
            while not self._take() and time.monotonic() < end:
                check()
                time.sleep(LOOK_AGAIN_SECONDS)
        except BaseException:
            self._own.end()
            raise

    def end(self) -> None:
        try:
            if self._has_lock:
                self._has_lock = False
                self._database.rows(f"SELECT pg_advisory_unlock({_KEY})", self._values)
        except QuotaUnavailable as error:
            # The lock goes with its connection; the call's own end is not lost.
            self._database.close()
            logger.warning("action=turn api_name=%s: %s", self._values[1], error)
        finally:
            self._own.end()

    def _take(self) -> bool:
        [(self._has_lock,)] = self._database.rows(
            f"SELECT pg_try_advisory_lock({_KEY})", self._values
        )
        return self._has_lock


@contextmanager
def turn_while(
    is_unsure: Callable[[], bool],
    turn: Turn,
    *,
    check: Callable[[], None],
    look_anew: Callable[[], None],
) -> Iterator[None]:
    """Hold the turn while `is_unsure`; whoever waited for it first hears what was found out."""
    if not is_unsure():
        yield
        return
    turn.wait(check)
    held = True
    try:
        look_anew()
        if not is_unsure():
            held = False
            turn.end()
        yield
    finally:
        if held:
            turn.end()
