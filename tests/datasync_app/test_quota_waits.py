"""A spent quota parks a run; nothing fails, nothing is fetched twice, and it goes on by itself."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Mapping
from functools import partial

import pytest
from django.utils import timezone
from pytest_django import Settings

from datasync_app import jobs
from datasync_app.engine.guard import OwnGuard
from datasync_app.models import (
    GOOD_STATES,
    CellState,
    Daily,
    SyncLedger,
    SyncTask,
    TaskStatus,
)
from datasync_app.protocol import Rows
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from scheduler_app.models import Cause, ExecutionLog, Status
from tests.datasync_app.runs import run
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
START = dt.datetime(2020, 1, 10, 10, 0, tzinfo=dt.UTC)
# A minute passes in this part of it where it must really pass.
HASTE = 100
SIXTY_DAYS = {"start": "20191018", "end": "20200109"}


class Clock:
    """One virtual time for the run, the client and the source."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


def go_on() -> ExecutionLog:
    """The follow-up that waits, taken out of the queue."""
    waiting = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP, status=Status.QUEUED)
    waiting.delete()
    return waiting


def test_a_list_under_one_call_an_hour_is_complete_in_the_fewest_hours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SYNC_TASK_STALE_TIMEOUT_MINUTES = 10
    clock = Clock()
    quotas = {"stock_basic": Quota(1, "小时")}
    with Sandbox(TinyMarket(), quota=0, quotas=quotas, monotonic=clock.seconds) as source:
        client = TushareClient(
            "a-token", source.url, clock=clock.seconds, now=clock, sleep=clock.sleep
        )
        monkeypatch.setattr(jobs, "open_session", partial(open_session, client=client, now=clock))
        execution, runs = run("sync_stock_basic"), 1
        while execution.status == Status.CANCELLED and runs < 9:
            # Whoever starts it once the limit of a stale task has passed asks for nothing.
            clock.now += dt.timedelta(minutes=11)
            asked = len(source.requests)
            assert run("sync_stock_basic").status == Status.CANCELLED
            assert len(source.requests) == asked
            clock.now = max(clock.now, go_on().scheduled_for)
            execution, runs = run("sync_stock_basic", caused_by=Cause.FOLLOW_UP), runs + 1
        client.close()
        assert execution.status == Status.SUCCESS, execution.error_message
        # Four statuses at one call an hour: three full hours between the first and the last.
        assert 3 * HOUR <= clock.now - START <= 4 * HOUR
        assert runs == source.served["stock_basic"] == 4
        asked_for = {
            params["list_status"] for name, params in source.requests if name == "stock_basic"
        }
    assert asked_for == {"L", "D", "P", "G"}
    assert set(SyncLedger.objects.values_list("state", flat=True)) <= set(GOOD_STATES)
    # One task from beginning to end, and nothing failed on the way.
    assert list(SyncTask.objects.values_list("status", flat=True)) == [TaskStatus.COMPLETED]
    assert not ExecutionLog.objects.filter(status=Status.FAILED).exists()


@pytest.fixture
def slow_list(market: TinyMarket) -> Sandbox:
    return Sandbox(market, quota=0, quotas={"stock_basic": Quota(1, "小时")})


def test_a_parked_run_is_cancelled_not_failed_and_asks_for_a_follow_up(
    slow_list: Sandbox, settings: Settings
) -> None:
    settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", slow_list.url
    with slow_list:
        execution = run("sync_stock_basic")
    assert execution.status == Status.CANCELLED, execution.error_message
    assert "The run goes on at" in execution.error_message
    assert execution.result is not None
    assert execution.result["stock_basic"]["cells_good"] == 1
    follow_up = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP)
    assert follow_up.status == Status.QUEUED
    assert dt.timedelta(minutes=50) < follow_up.scheduled_for - timezone.now() <= 1.05 * HOUR
    task = SyncTask.objects.get()
    assert task.status == TaskStatus.PAUSED and "The run goes on at" in task.failure_reason


def hasty_seconds() -> float:
    return time.monotonic() * HASTE


def hasty_sleep(seconds: float) -> None:
    time.sleep(max(seconds, 0) / HASTE)


class Watching(OwnGuard):
    """Notes when the task last showed a sign of life, each time that the run looks up."""

    def __init__(self) -> None:
        self.signs: list[dt.datetime] = []

    def checkpoint(self) -> None:
        self.signs.append(SyncTask.objects.get().updated_at)


def test_while_a_run_waits_for_its_quota_its_task_shows_a_sign_of_life_every_minute() -> None:
    since = hasty_seconds()

    def now() -> dt.datetime:
        return START + dt.timedelta(seconds=hasty_seconds() - since)

    guard = Watching()
    with Sandbox(TinyMarket(), quota=0) as source:
        client = TushareClient(
            "a-token", source.url, clock=hasty_seconds, now=now, sleep=hasty_sleep
        )
        client.limiters.for_endpoint("stock_basic").hold(350)
        with open_session("sync_stock_basic", guard, client=client, now=now) as session:
            session.engine.refresh_stock_list()
        client.close()
        assert source.served["stock_basic"] == 4
    # A look a second, which is 100 here: that a minute has passed since the start is found out.
    assert len({sign for sign in guard.signs if sign < START + dt.timedelta(seconds=350)}) > 1


class Rival(TinyMarket):
    """A market of which another script asks for a day with the same token, each time that we do."""

    def __init__(self) -> None:
        super().__init__()
        self.source: Sandbox | None = None
        self._at_it = threading.local()

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        if api_name == "daily" and self.source and not getattr(self._at_it, "now", False):
            self._at_it.now = True
            body = {"api_name": "daily", "token": "a-token", "params": {"trade_date": "20200106"}}
            self.source.answer("/daily", json.dumps(body).encode())
            self._at_it.now = False
        return super().rows(api_name, params)


def test_sixty_days_end_with_no_failed_cell_while_another_script_burns_half_the_quota(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, market = Clock(), Rival()
    with Sandbox(market, quota=40, monotonic=clock.seconds) as source:
        market.source = source
        # Alone it would never be refused.
        limiters = EndpointLimiters(40, clock=clock.seconds, sleep=clock.sleep, now=clock)
        client = TushareClient(
            "a-token",
            source.url,
            limiters=limiters,
            clock=clock.seconds,
            now=clock,
            sleep=clock.sleep,
        )
        monkeypatch.setattr(jobs, "open_session", partial(open_session, client=client, now=clock))
        execution = run("sync_daily_by_date", **SIXTY_DAYS)
        while execution.status == Status.CANCELLED:
            clock.now = max(clock.now, go_on().scheduled_for)
            execution = run("sync_daily_by_date", caused_by=Cause.FOLLOW_UP, **SIXTY_DAYS)
        client.close()
        assert source.refused["daily"] > 0, "the other script was never in the way"
    assert execution.status == Status.SUCCESS, execution.error_message
    days = SyncLedger.objects.filter(dataset="daily")
    assert days.count() == 60
    assert set(days.values_list("state", "attempts")) == {(CellState.COMPLETE, 0)}
    assert Daily.objects.count() == 30 * 60
    assert not ExecutionLog.objects.filter(status=Status.FAILED).exists()


def test_a_run_that_leaves_a_cell_open_asks_for_a_follow_up_at_its_next_attempt(
    source: Sandbox, market: TinyMarket
) -> None:
    market.rows_of["20200108"] = []
    execution = run("sync_daily_by_date", start="20200106", end="20200110")
    assert execution.status == Status.FAILED
    follow_up = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP)
    assert follow_up.job_kwargs == {"start": "20200106", "end": "20200110"}
    # A denied endpoint leaves that day due as well, if its call was under way by then.
    wanted = SyncLedger.objects.get(dataset="daily", cell="20200108").next_attempt_at
    assert wanted is not None
    assert abs(follow_up.scheduled_for - wanted) < dt.timedelta(seconds=1)


def test_a_run_that_leaves_nothing_open_asks_for_none(source: Sandbox) -> None:
    run("sync_daily_by_date", start="20200106", end="20200110")
    assert not ExecutionLog.objects.filter(caused_by=Cause.FOLLOW_UP).exists()
