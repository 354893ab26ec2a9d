"""A hole that is made by hand in one cell is named wherever data leave."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from datasync_app.datasets import DATASETS
from datasync_app.datasets.market import ADJ_FACTOR, DAILY
from datasync_app.errors import ExportRefused
from datasync_app.exports.folder import Folder
from datasync_app.exports.parquet import export_parquet
from datasync_app.exports.qlib import export_qlib
from datasync_app.models import CellState, Daily, SyncLedger
from datasync_app.reports.statement import What, make_report
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.conftest import FIRST, LAST, PERIOD, Pair

pytestmark = pytest.mark.django_db

HOLE = "20251203 .partial: 56 codes are missing"


def test_a_hole_in_one_cell_is_named_by_each(pair: Pair, clock: Clock, tmp_path: Path) -> None:
    day = dt.date(2025, 12, 3)
    Daily.objects.filter(trade_date=day).delete()
    SyncLedger.objects.filter(dataset="daily", cell_date=day).update(
        state=CellState.PARTIAL, last_error="56 codes are missing"
    )

    with pytest.raises(Exception, match=HOLE):
        pair.ours.daily(start_date="20251201", end_date="20251210")

    report = make_report([DAILY, ADJ_FACTOR], FIRST, LAST, now=clock())
    assert [part.is_good for part in report.parts] == [False, True]
    missing = [found for found in report.parts[0].findings if found.what is What.MISSING]
    assert [(found.cell, found.reason) for found in missing] == [
        ("20251203", "partial: 56 codes are missing")
    ]
    assert report.parts[0].complete == ("20251201 to 20251202", "20251204 to 20251210")

    with (
        pytest.raises(DatabaseError, match=HOLE),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT assert_complete('daily', %s, %s)", [FIRST, LAST])

    with pytest.raises(ExportRefused, match=f"daily {HOLE}"):
        export_parquet(Folder(tmp_path / "parquet"), [DAILY], now=clock())
    with pytest.raises(ExportRefused, match=f"daily {HOLE}"):
        export_qlib(Folder(tmp_path / "qlib"), now=clock())


def test_every_dataset_that_was_synced_can_be_reported_and_exported(
    pair: Pair, clock: Clock, tmp_path: Path
) -> None:
    report = make_report(list(DATASETS.values()), PERIOD, LAST, now=clock())
    proved = {part.dataset.name for part in report.parts if part.complete}
    assert proved == set(DATASETS) - {"fina_indicator"}
    (reports,) = (part for part in report.parts if part.dataset.name == "fina_indicator")
    open_periods = [
        found.cell for found in reports.findings if found.what in (What.LATE, What.MISSING)
    ]
    assert open_periods == ["20250930"]  # some reports are not out yet
    assert reports.coverage.good > 40
    chosen = list(DATASETS.values())
    folder = Folder(tmp_path / "parquet")
    outcome = export_parquet(folder, chosen, now=clock(), allow_incomplete=True)
    assert {path.partition("/")[0] for path in outcome.written} == set(DATASETS)
    assert export_parquet(folder, chosen, now=clock(), allow_incomplete=True).dropped == ()
