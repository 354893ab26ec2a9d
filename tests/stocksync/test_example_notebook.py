"""docs/notebooks/backtest.ipynb, run cell by cell as a reader would."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from datasync_app.datasets import DATASETS
from datasync_app.engine import horizon
from datasync_app.models import AdjFactor, CellState, Daily, FinaIndicator, SyncLedger
from tests.datasync_app.factories import LedgerFactory, StockBasicFactory, hold_calendar
from tests.processes import REPOSITORY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reader_role")]

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5)]
PERIOD = dt.date(2023, 9, 30)
LISTED, GONE = "600000.SH", "600001.SH"


def cells() -> list[str]:
    notebook = json.loads((REPOSITORY / "docs/notebooks/backtest.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def hold_what_it_reads() -> None:
    """Four days of a company and of one that was delisted since, a factor that changes, two reports."""
    hold_calendar(2024)
    StockBasicFactory.create(ts_code=LISTED)
    StockBasicFactory.create(ts_code=GONE, list_status="D", delist_date=dt.date(2025, 1, 2))
    for status in ("L", "D", "P", "G"):
        LedgerFactory.create(dataset="stock_basic", cell=status, cell_date=None)
    for n, day in enumerate(DAYS):
        for code in (LISTED, GONE):
            Daily.objects.create(ts_code=code, trade_date=day, close=10.0 + n)
            AdjFactor.objects.create(ts_code=code, trade_date=day, adj_factor=1.0 + (n > 1))
        for dataset in ("daily", "adj_factor"):
            LedgerFactory.create(dataset=dataset, cell_date=day)
            horizon.move_earlier(DATASETS[dataset], DAYS[0])
    for code in (LISTED, GONE):
        report(code, announced=dt.date(2023, 10, 30), roe=5.5)
        # Announced after the first day: not known then.
        report(code, announced=dt.date(2024, 3, 1), roe=7.5)
        LedgerFactory.create(
            dataset="fina_indicator", cell=f"{code}:{PERIOD:%Y%m%d}", cell_date=PERIOD
        )


def report(code: str, *, announced: dt.date, roe: float) -> None:
    seen = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    FinaIndicator.objects.create(
        ts_code=code, end_date=PERIOD, ann_date=announced, content=str(roe), roe=roe, update_flag=0,
        first_seen_at=seen, last_seen_at=seen,
    )  # fmt: skip


def test_the_notebook_runs_and_a_hole_stops_it(
    dsn: str, live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SYNC_FINANCE_HISTORY_START_DATE = PERIOD
    hold_what_it_reads()
    reader = User.objects.create_user("quant", is_staff=True)
    monkeypatch.setenv("STOCKSYNC_DSN", dsn)
    monkeypatch.setenv("STOCKSYNC_TOKEN", str(AuthToken.objects.create(reader)[1]))
    monkeypatch.setenv("STOCKSYNC_URL", live_server.url)
    notebook: dict[str, Any] = {}
    for cell in cells():
        exec(cell, notebook)  # noqa: S102 (what a reader would run)
    table = notebook["table"]
    assert list(table.index) == [LISTED, GONE]
    assert list(table.roe) == [5.5, 5.5]
    assert list(table["return"]) == [13.0 * 2 / 10.0 - 1] * 2

    SyncLedger.objects.filter(dataset="daily", cell_date=DAYS[2]).update(state=CellState.PARTIAL)
    with pytest.raises(psycopg.errors.RaiseException, match="20240104 .partial"):
        exec("\n".join(cells()[:2]), {})  # noqa: S102
