"""Recorded answers of every endpoint of the recorded market, synced from a replay and served again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.db import connection
from pandas.testing import assert_frame_equal
from tushare.pro.client import DataApi

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset
from datasync_app.datasets.market import ADJ_FACTOR, DAILY, DAILY_BASIC
from datasync_app.engine import horizon
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.run import Engine
from datasync_app.models import Concept, SourceIdentity, SyncLedger
from datasync_app.sandbox.server import Sandbox
from datasync_app.serving.tables import TABLES
from tests.datasync_app.factories import StockBasicFactory
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.conftest import concept_sync
from tests.datasync_app.serving.web import sdk
from tests.sample import SAMPLE, needs_sample, recorded_market

pytestmark = [pytest.mark.django_db, needs_sample]

NOW = "20200120 23:00"
# What the source has only since these days were recorded.
LATER = {
    "daily_basic": ["dv_ratio", "dv_ttm"],
    "stock_basic": ["cnspell", "act_name", "act_ent_type"],
}


@dataclass(frozen=True)
class Recorded:
    """An engine over the replay, and the SDK at the replay and at the database."""

    engine: Engine
    source: DataApi
    ours: DataApi

    def compare(
        self, api_name: str, *, by: list[str] | None = None, marked: bool = False, **params: str
    ) -> int:
        """The same frames, without `fields`; gives their length. `by` sorts what has no order of its own.

        What the source did not have yet is NULL.
        """
        theirs = self.source.query(api_name, **params)
        if by:
            theirs = theirs.sort_values(by, ignore_index=True)
        allowed = {"allow_incomplete": "1"} if marked else {}
        ours = self.ours.query(api_name, **params, **allowed)
        later = LATER.get(api_name, [])
        assert ours[later].isna().all(axis=None)
        assert_frame_equal(ours.drop(columns=later), theirs)
        return len(theirs)


@pytest.fixture(scope="module")
def replay() -> Iterator[Sandbox]:
    with Sandbox(recorded_market(), quota=0) as server:
        yield server


@pytest.fixture
def recorded(replay: Sandbox, url: str, token: str) -> Recorded:
    """Over a database without anything of another source."""
    for model in (SourceIdentity, SyncLedger):
        model.objects.all().delete()
    for dataset in DATASETS.values():
        dataset.model._default_manager.all().delete()
    return Recorded(engine_of(replay, Clock(NOW)), sdk(replay.url, "any"), sdk(url, token))


def test_every_endpoint_of_the_replay_is_compared() -> None:
    compared = {"trade_cal", "stock_basic", "daily", "daily_basic", "adj_factor"} | {
        "concept",
        "concept_detail",
        "fina_indicator",
    }
    plan = json.loads((SAMPLE / "replay.json").read_text(encoding="utf-8"))
    assert set(plan["endpoints"]) == compared


@pytest.mark.parametrize(
    ("dataset", "day", "by"),
    [
        (DAILY, "20191025", None),
        (ADJ_FACTOR, "20200106", ["ts_code"]),
        (DAILY_BASIC, "20191025", ["ts_code"]),
    ],
    ids=["daily", "adj_factor", "daily_basic"],
)
def test_a_recorded_day_is_served_as_it_was_recorded(
    recorded: Recorded, dataset: Dataset, day: str, by: list[str] | None
) -> None:
    date = dt.datetime.strptime(day, "%Y%m%d").date()
    recorded.engine.prepare(date, date)
    recorded.engine.sync_dates(dataset, date, date)
    horizon.move_earlier(dataset, date)
    # Without another day to compare with, a day of some odd codes is partial.
    assert recorded.compare(dataset.name, by=by, marked=True, trade_date=day) > 3600


def test_the_recorded_calendar_and_list_are_served_as_they_were_recorded(
    recorded: Recorded,
) -> None:
    recorded.engine.prepare(dt.date(2019, 1, 1), dt.date(2019, 12, 31))
    assert recorded.compare("trade_cal", start_date="20190101", end_date="20191231") == 365
    assert recorded.compare("stock_basic") > 3700


def test_the_renumbered_codes_are_looked_up_once_whatever_is_known_of_the_tables(
    recorded: Recorded,
) -> None:
    with connection.cursor() as cursor:
        # From now on PostgreSQL takes them for empty.
        cursor.execute("ANALYZE stock_basic, code_change")
        recorded.engine.prepare(dt.date(2019, 1, 1), dt.date(2019, 1, 31))
        where = TABLES["stock_basic"].current
        cursor.execute(f"EXPLAIN SELECT ts_code FROM stock_basic WHERE {where}")  # noqa: S608
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "hashed SubPlan" in plan, plan


def test_the_recorded_concepts_are_served_as_they_were_recorded(recorded: Recorded) -> None:
    work = concept_sync(recorded.engine, "concept", Clock(NOW))
    work.listed()
    assert recorded.compare("concept") > 290
    Concept.objects.exclude(code="TS2").delete()  # hundreds of calls, each like the other
    work.members()
    assert recorded.compare("concept_detail", id="TS2") > 10


def test_recorded_reports_are_served_as_they_were_recorded(
    recorded: Recorded, replay: Sandbox
) -> None:
    """With the two versions that one announcement has; a row that came twice is kept once."""
    clock, code = Clock("20251101 00:10"), "600519.SH"
    StockBasicFactory.create(ts_code=code)
    scope = Scope(dt.date(2023, 3, 31), dt.date(2025, 9, 30), codes=(code,))
    FinanceRun(engine_of(replay, clock)).only(scope)
    theirs = recorded.source.fina_indicator(ts_code=code)
    ours = recorded.ours.fina_indicator(ts_code=code, allow_incomplete="1")
    assert len(theirs) > 10
    by = list(theirs.columns)
    assert_frame_equal(
        ours.sort_values(by, ignore_index=True),
        theirs.drop_duplicates().sort_values(by, ignore_index=True),
    )
