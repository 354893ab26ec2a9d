"""Four processes of eight threads share one account, one database and one sandbox's quota."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from datasync_app.models import CallDay, TushareCall
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.server import Sandbox
from tests import processes
from tests.datasync_app.tushare.test_against_sandbox import OneRow
from tests.warm import process as warm

PROCESSES = 4
CALLS = 60
WINDOW_SECONDS = 2.0


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_processes_that_share_an_account_use_its_quota_and_no_more() -> None:
    share_the_quota(windows=3, latency_ms=20)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_the_quota_holds_for_long() -> None:
    share_the_quota(windows=40, latency_ms=20)


def share_the_quota(*, windows: int, latency_ms: float) -> None:

    def monotonic() -> float:
        """A minute of the sandbox passes in one of our windows."""
        return time.monotonic() * 60 / WINDOW_SECONDS

    with (
        Sandbox(
            OneRow(), quota=Quota(CALLS), latency_ms=latency_ms, monotonic=monotonic
        ) as sandbox,
        ExitStack() as stack,
    ):
        callers = [stack.enter_context(start_caller(sandbox.url)) for _ in range(PROCESSES)]
        for caller in callers:
            assert caller.stdout is not None
            assert caller.stdout.readline() == "ready\n"
        end = time.monotonic() + windows * WINDOW_SECONDS
        for caller in callers:
            assert caller.stdin is not None
            caller.stdin.write(f"{end}\n")
            caller.stdin.flush()
        patience = windows * WINDOW_SECONDS + 60
        said = []
        for caller in callers:
            caller.wait(patience)
            assert caller.stdout is not None
            said.append(caller.stdout.read())

    assert sandbox.refused == Counter(), said
    counts = [tuple(map(int, out.split())) for out in said]
    answered = sum(count[0] for count in counts)
    assert [count[1] for count in counts] == [0] * PROCESSES
    assert answered == sandbox.served["daily"]
    assert answered >= 0.95 * windows * CALLS
    assert min(count[0] for count in counts) > 0

    assert TushareCall.objects.filter(api_name="daily", outcome="rows").count() == answered
    day = CallDay.objects.filter(api_name="daily").order_by("-calls")[0]
    assert (day.refusals, day.failures) == (0, 0)


def start_caller(url: str) -> warm.Process:
    return warm.Process(
        *("-m", "tests.acceptance.quota_caller"),
        env=processes.environment(
            DJANGO_SETTINGS_MODULE="stocksync.settings",
            TUSHARE_BASE_URL=url,
            TUSHARE_TOKEN="sandbox",
            TUSHARE_RATE_LIMIT_MAX_CALLS=str(CALLS),
            TUSHARE_RATE_LIMIT_WINDOW_SECONDS=str(WINDOW_SECONDS),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
