"""Datasets side by side, each at its own quota: a spent one keeps no other waiting."""

from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.datasets import DAILY
from datasync_app.datasets.market import ADJ_FACTOR
from datasync_app.dates import SHANGHAI
from datasync_app.engine.guard import OwnGuard
from datasync_app.engine.plan import plan_range
from datasync_app.engine.run import Engine
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from tests.datasync_app.clock import Clock
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

WEEK = (dt.date(2020, 1, 6), dt.date(2020, 1, 10))


def test_a_dataset_whose_quota_is_spent_keeps_no_other_waiting(market: TinyMarket) -> None:
    market.serve_everything()
    clock = Clock(dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI))
    quotas = {"daily": Quota(2, "小时")}
    with Sandbox(market, quota=0, quotas=quotas, monotonic=clock.seconds) as sandbox:
        client = TushareClient(
            "a-token", sandbox.url, clock=clock.seconds, now=clock, sleep=clock.sleep
        )
        engine = Engine(client, guard=OwnGuard(), now=clock)
        engine.prepare(*WEEK)
        plans = [plan_range(each, *WEEK, now=clock()) for each in (DAILY, ADJ_FACTOR)]
        bars, factors = engine.run_side_by_side(plans)
        client.close()
    assert (factors.good, factors.is_good) == (5, True)
    assert (bars.good, bars.is_good) == (2, False)
    assert bars.parked_until is not None
    assert dt.timedelta(minutes=50) < bars.parked_until - clock() <= dt.timedelta(minutes=65)
