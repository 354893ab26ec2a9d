"""A spent quota parks a run; nothing fails, nothing is fetched twice, and it goes on by itself."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from django.utils import timezone
from pytest_django import Settings

from datasync_app.datasets import DAILY
from datasync_app.engine.run import OwnGuard
from datasync_app.errors import Parked
from datasync_app.models import GOOD_STATES, Daily, SyncLedger, SyncTask, TaskStatus
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from datasync_app.tushare.client import TushareClient
from scheduler_app.models import Cause, ExecutionLog, Status
from tests.datasync_app.runs import run
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


class Clock:
    """One virtual time for the run, the client and the source."""

    def __init__(self) -> None:
        self.now = dt.datetime(2020, 1, 10, 10, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


def test_a_list_under_one_call_an_hour_is_complete_in_the_fewest_hours() -> None:
    clock = Clock()
    quotas = {"stock_basic": Quota(1, "小时")}
    with Sandbox(TinyMarket(), quota=0, quotas=quotas, monotonic=clock.seconds) as source:
        client = TushareClient(
            "a-token", source.url, clock=clock.seconds, now=clock, sleep=clock.sleep
        )
        start, runs, done = clock.now, 0, False
        while not done:
            runs += 1
            assert runs < 20
            try:
                with open_session(
                    "sync_stock_basic", OwnGuard(), client=client, now=clock
                ) as session:
                    report = session.engine.refresh_stock_list()
                    if report.parked_until:
                        raise Parked("the quota is spent", report.parked_until, {})
                    done = report.is_good
            except Parked as parked:
                clock.now = max(parked.until, clock.now)
        client.close()
        asked = Counter(params["list_status"] for _name, params in source.requests)
        assert source.served["stock_basic"] == 4
    # Four statuses at one call an hour: three full hours between the first and the last.
    assert 3 * HOUR <= clock.now - start <= 4 * HOUR
    assert set(asked) == {"L", "D", "P", "G"}
    states = set(SyncLedger.objects.values_list("state", flat=True))
    assert states <= set(GOOD_STATES)
    # The parked task goes on as itself: none failed, none was started twice.
    assert runs > 1
    assert SyncTask.objects.get().status == TaskStatus.COMPLETED


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


def test_sixty_days_end_with_no_open_cell_while_another_script_burns_half_the_quota() -> None:
    clock = Clock()
    market = TinyMarket()
    with Sandbox(market, quota=40, monotonic=clock.seconds) as source:
        client = TushareClient(
            "a-token", source.url, clock=clock.seconds, now=clock, sleep=clock.sleep
        )
        rival = TushareClient("a-token", source.url, clock=clock.seconds, now=clock)

        def burn(*_: object) -> None:
            # After each of our cells another script makes a call of the same endpoint.
            source.answer("/daily", b'{"api_name": "daily", "token": "a-token", "params": '
                          b'{"trade_date": "20200106"}}')  # fmt: skip

        with open_session("sync", OwnGuard(), client=client, now=clock, on_cell=burn) as session:
            first, last = dt.date(2019, 10, 18), dt.date(2020, 1, 9)
            session.engine.prepare(first, last)
            for _ in range(10):
                report = session.engine.sync_dates(DAILY, first, last)
                if report.is_good:
                    break
                assert report.parked_until is not None
                clock.now = max(clock.now, report.parked_until)
        rival.close()
        client.close()
        assert source.refused["daily"] > 0, "the other script was never in the way"
    assert report.is_good and report.good >= 60
    assert Daily.objects.count() == 30 * report.good


def test_a_run_that_leaves_a_cell_open_asks_for_a_follow_up_at_its_next_attempt(
    source: Sandbox, market: TinyMarket
) -> None:
    market.rows_of["20200108"] = []
    execution = run("sync_daily_by_date", start="20200106", end="20200110")
    assert execution.status == Status.FAILED
    follow_up = ExecutionLog.objects.get(caused_by=Cause.FOLLOW_UP)
    assert follow_up.job_kwargs == {"start": "20200106", "end": "20200110"}
    wanted = SyncLedger.objects.get(cell="20200108").next_attempt_at
    assert wanted is not None
    assert abs(follow_up.scheduled_for - wanted) < dt.timedelta(seconds=1)


def test_a_run_that_leaves_nothing_open_asks_for_none(source: Sandbox) -> None:
    run("sync_daily_by_date", start="20200106", end="20200110")
    assert not ExecutionLog.objects.filter(caused_by=Cause.FOLLOW_UP).exists()
