"""What an account may call decides what is synced, and nothing of it is red."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from datasync_app.engine.plan import FIRST_DAYS
from datasync_app.models import GOOD_STATES, StockBasic, SyncLedger, TradeCal
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import Status
from tests.datasync_app.factories import empty_the_quota_tables
from tests.datasync_app.runs import run

pytestmark = pytest.mark.django_db(transaction=True)

FIVE_MINUTES = 300


@pytest.fixture
def account(settings: Settings) -> Iterator[Sandbox]:
    """A new account of 120 points: 50 calls a minute, and `daily` and `user` only."""
    empty_the_quota_tables()
    with Sandbox(GeneratedMarket(3), points=120) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        yield sandbox
    empty_the_quota_tables()


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
    assert not [reason for _endpoint, reason in refused if reason == "rate"]
    assert {endpoint: count for (endpoint, _), count in refused.items()} == {
        "trade_cal": 1,
        "stock_basic": 1,
        "suspend_d": 1,
    }

    account.points = 2000
    later = [run("sync_stock_basic"), run("sync_daily_by_date")]
    for execution in later:
        assert execution.status == Status.SUCCESS, execution.error_message
        assert execution.result is not None and "not_available" not in execution.result
    assert StockBasic.objects.count() > 5000
    assert TradeCal.objects.exists()
    assert good_days() == FIRST_DAYS
    assert account.served["daily"] == FIRST_DAYS
