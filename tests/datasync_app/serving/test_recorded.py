"""Recorded days, synced from a replay and served again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from pandas.testing import assert_frame_equal

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.market import ADJ_FACTOR, DAILY, DAILY_BASIC
from datasync_app.engine import horizon
from datasync_app.models import SourceIdentity, SyncLedger
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.web import sdk
from tests.sample import SAMPLE, needs_sample

pytestmark = [pytest.mark.django_db, needs_sample]


@pytest.fixture(scope="module")
def replay() -> Iterator[Sandbox]:
    with Sandbox(ReplayMarket(SAMPLE), quota=0) as server:
        yield server


@pytest.mark.parametrize(
    ("dataset", "day", "is_in_order"),
    [(DAILY, "20191025", True), (ADJ_FACTOR, "20200106", False), (DAILY_BASIC, "20191025", False)],
    ids=["daily", "adj_factor", "daily_basic"],
)
def test_a_recorded_day_is_served_as_it_was_recorded(
    replay: Sandbox, url: str, token: str, dataset: Dataset, day: str, is_in_order: bool
) -> None:
    SourceIdentity.objects.all().delete()
    SyncLedger.objects.all().delete()
    date = dt.datetime.strptime(day, "%Y%m%d").date()
    engine = engine_of(replay, Clock("20200120 23:00"))
    engine.prepare(date, date)
    engine.sync_dates(dataset, date, date)
    horizon.move_earlier(dataset, date)
    theirs = sdk(replay.url, "any").query(dataset.name, trade_date=day)
    # Without another day to compare with, a day of some odd codes is partial.
    params = {"trade_date": day, "fields": ",".join(theirs.columns), "allow_incomplete": "1"}
    ours = sdk(url, token).query(dataset.name, **params)
    if not is_in_order:  # the recording has none of its own
        theirs = theirs.sort_values("ts_code", ignore_index=True)
    assert len(theirs) > 3600
    assert_frame_equal(ours, theirs)


def test_the_recorded_calendar_is_served_as_it_was_recorded(
    replay: Sandbox, url: str, token: str
) -> None:
    SourceIdentity.objects.all().delete()
    SyncLedger.objects.all().delete()
    engine = engine_of(replay, Clock("20200120 23:00"))
    engine.prepare(dt.date(2019, 1, 1), dt.date(2019, 12, 31))
    params = {"start_date": "20190101", "end_date": "20191231"}
    theirs = sdk(replay.url, "any").query("trade_cal", **params)
    ours = sdk(url, token).query("trade_cal", **params)
    assert_frame_equal(ours, theirs)
