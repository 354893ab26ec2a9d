"""Columns that are kept only since rows were fetched: NULL in them is not served as the source's."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection
from pandas.testing import assert_frame_equal

from datasync_app.datasets.concept import DC_INDEX
from datasync_app.datasets.market import STOCK_BASIC
from datasync_app.engine.coverage import cover
from datasync_app.models import DcIndex, StockBasic, SyncLedger, SyncRestatement
from datasync_app.reports.statement import What, make_report
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.conftest import FIRST, LAST, Pair, sync_concepts

pytestmark = pytest.mark.django_db

NEW = "cnspell, act_name, act_ent_type"
FORMER = {"fields": "ts_code,name,list_date"}
DAY = {"trade_date": "20251210"}
WHY = "fetched before these columns were kept: "


@pytest.fixture
def before_the_columns(synced: None) -> None:
    """The database as the migration that adds the columns leaves it."""
    StockBasic.objects.update(cnspell=None, act_name=None, act_ent_type=None)
    DcIndex.objects.update(pct_change=None, up_num=None)
    migration = import_module("datasync_app.migrations.0018_columns_not_asked")
    with connection.cursor() as cursor:
        cursor.execute(migration._NOT_ASKED)


@pytest.mark.usefixtures("before_the_columns")
def test_only_a_call_for_such_a_column_is_refused(pair: Pair) -> None:
    with pytest.raises(Exception, match=f"L .{WHY}{NEW}"):
        pair.ours.stock_basic()
    assert_frame_equal(pair.ours.stock_basic(**FORMER), pair.source.stock_basic(**FORMER))
    with pytest.raises(Exception, match=f"all .{WHY}leading, leading_code, pct_change"):
        pair.ours.dc_index(**DAY)
    named = {**DAY, "fields": "ts_code,name"}
    assert_frame_equal(pair.ours.dc_index(**named), pair.source.dc_index(**named))
    marked = pair.ours.dc_index(**DAY, allow_incomplete="1")
    assert marked["up_num"].isna().all()


@pytest.mark.usefixtures("before_the_columns")
def test_coverage_and_report_tell_of_it(clock: Clock) -> None:
    assert cover(STOCK_BASIC, None, None, now=clock()).open_cells["L"] == f"{WHY}{NEW}"
    report = make_report([STOCK_BASIC, DC_INDEX], FIRST, LAST, now=clock())
    told = {
        (found.cell, found.what): found.reason for part in report.parts for found in part.findings
    }
    assert told["L", What.MISSING] == f"{WHY}{NEW}"
    assert told["all", What.MISSING].startswith(f"{WHY}leading")


@pytest.mark.usefixtures("before_the_columns")
def test_the_next_run_fetches_them_and_calls_it_no_restatement(
    pair: Pair, source: Sandbox, clock: Clock
) -> None:
    restatements = SyncRestatement.objects.count()
    engine = engine_of(source, clock)
    assert engine.refresh_stock_list().is_good
    sync_concepts(engine, "dc", clock)
    assert not SyncLedger.objects.exclude(not_asked=[]).exists()
    assert_frame_equal(pair.ours.stock_basic(), pair.source.stock_basic())
    assert_frame_equal(pair.ours.dc_index(**DAY), pair.source.dc_index(**DAY))
    assert SyncRestatement.objects.count() == restatements
