"""What an account may call decides what is synced, and nothing of it is red."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from datasync_app.dates import market_day, show_date
from datasync_app.engine.plan import FIRST_DAYS
from datasync_app.models import GOOD_STATES, StockBasic, SyncLedger, TradeCal
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import ExecutionLog, Status
from tests.datasync_app.runs import run
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db(transaction=True)

FIVE_MINUTES = 300
COMPANIES = 100  # listed today; others were delisted


@pytest.fixture
def account(settings: Settings) -> Iterator[Sandbox]:
    """A new account of 120 points: 50 calls a minute, and `daily` and `user` only."""
    with Sandbox(GeneratedMarket(3, companies=COMPANIES), points=120) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        yield sandbox


def good_days() -> int:
    return SyncLedger.objects.filter(dataset="daily", state__in=GOOD_STATES).count()


def test_the_smallest_account_fills_daily_and_more_points_fill_the_rest(account: Sandbox) -> None:
    started = time.monotonic()
    first = [run("sync_stock_basic"), run("sync_daily_by_date")]
    assert time.monotonic() - started < FIVE_MINUTES
    assert good_days() == FIRST_DAYS
    assert not StockBasic.objects.exists() and not TradeCal.objects.exists()
    for execution in first:
        assert execution.status == Status.SUCCESS, execution.error_message
        assert execution.result is not None
        assert all(
            "not available to this token" in each for each in execution.result["not_available"]
        )
    refused = account.refusal_reasons
    assert {reason for _endpoint, reason in refused} == {"permission"}
    assert {endpoint for endpoint, _reason in refused} == {
        *("trade_cal", "stock_basic", "namechange", "suspend_d"),
        *("adj_factor", "daily_basic", "index_daily"),
    }
    assert set(refused.values()) == {1}, "at most one of an endpoint in an hour"

    account.points = 2000
    later = [run("sync_stock_basic"), run("sync_daily_by_date")]
    for execution in later:
        assert execution.status == Status.SUCCESS, execution.error_message
        assert execution.result is not None and "not_available" not in execution.result
    assert StockBasic.objects.count() > COMPANIES
    assert TradeCal.objects.exists()
    assert good_days() == FIRST_DAYS
    assert account.served["daily"] == FIRST_DAYS


def run_together(*job_ids: str) -> list[ExecutionLog]:
    """The executions of jobs that start at the same moment, as the first start queues them."""

    def run_one(job_id: str) -> ExecutionLog:
        try:
            return run(job_id)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(job_ids)) as pool:
        return list(pool.map(run_one, job_ids))


def test_jobs_side_by_side_meet_no_rate_refusal_and_a_restart_elsewhere_fills_the_rest(
    settings: Settings,
) -> None:
    """A minute lasts a second here: at full speed the 50 calls of the account would not do."""
    settings.TUSHARE_TOKEN, settings.TUSHARE_RATE_LIMIT_WINDOW_SECONDS = "", 1.0
    start = show_date(market_day(timezone.now()) - dt.timedelta(days=120))
    market = TinyMarket()
    market.serve_everything()
    with Sandbox(market, points=120, minute_seconds=1.0) as poor:
        settings.TUSHARE_BASE_URL = poor.url
        first = run_together("sync_stock_basic", "sync_daily_by_date")
        assert good_days() == FIRST_DAYS
        first.append(run("sync_daily_history", start=start))
        assert [(each.status, each.error_message) for each in first] == [(Status.SUCCESS, "")] * 3
        assert all(each.result and each.result["not_available"] for each in first)
        assert good_days() > 70
        refused = poor.refusal_reasons
        assert {reason for _endpoint, reason in refused} == {"permission"}
        assert set(refused.values()) == {1}
    with Sandbox(market, points=2000, minute_seconds=1.0) as rich:
        settings.TUSHARE_BASE_URL = rich.url
        later = run_together("sync_stock_basic", "sync_daily_by_date")
        assert [(each.status, each.error_message) for each in later] == [(Status.SUCCESS, "")] * 2
        assert not any(each.result and "not_available" in each.result for each in later)
        assert not rich.refusal_reasons
    assert StockBasic.objects.count() == 30
    assert TradeCal.objects.exists()
