"""A run that is cancelled returns at once, whatever its calls are doing, and leaves no thread behind."""

from __future__ import annotations

import threading
import time

import pytest

from datasync_app.engine.guard import OwnGuard
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from scheduler_app.errors import RunCancelled
from tests.waiting import eventually

pytestmark = pytest.mark.django_db


class CancelledOnceAsking(OwnGuard):
    """Cancelled as soon as the source has got so many calls."""

    def __init__(self, source: Sandbox, calls: int) -> None:
        self.source, self.calls = source, calls

    def checkpoint(self) -> None:
        if len(self.source.requests) >= self.calls:
            raise RunCancelled("enough")


def fetching() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("lane-", "fetch-"))]


@pytest.mark.parametrize("fault", ["stall", "slow_drip", "rate_minute"])
def test_a_cancelled_run_returns_at_once_and_leaves_no_thread_behind(
    source: Sandbox, fault: str
) -> None:
    """Its calls are under way, without an answer for a minute; or wait for the quota's next minute."""
    source.faults.set_rates({fault: 1})
    before = len(source.requests)
    started = time.monotonic()
    with (
        pytest.raises(RunCancelled, match="enough"),
        open_session("sync_stock_basic", CancelledOnceAsking(source, before + 1)) as session,
    ):
        session.engine.refresh_stock_list()

    assert eventually(lambda: not fetching(), 5), fetching()
    assert time.monotonic() - started < 10
