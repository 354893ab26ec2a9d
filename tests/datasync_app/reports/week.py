"""A week that is held whole: two companies, five open days, and the ledger that proves them."""

from __future__ import annotations

import datetime as dt

from datasync_app.models import AdjFactor, CellState, Daily, SyncLedger
from tests.datasync_app.factories import LedgerFactory, hold_calendar

WEEK = [dt.date(2020, 1, 6) + dt.timedelta(days=n) for n in range(5)]
CODES = ("000001.SZ", "600000.SH")
NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=dt.UTC)


def bars(days: list[dt.date] = WEEK) -> list[Daily]:
    return [
        Daily(ts_code=code, trade_date=day, open=10.1, high=11, low=9.5, close=10 + n / 3, vol=12.5)
        for day in days
        for n, code in enumerate(CODES)
    ]


def hold_week() -> None:
    hold_calendar(2020)
    Daily.objects.bulk_create(bars())
    AdjFactor.objects.bulk_create(
        AdjFactor(ts_code=code, trade_date=day, adj_factor=2.0) for day in WEEK for code in CODES
    )
    for dataset in ("daily", "adj_factor"):
        for day in WEEK:
            LedgerFactory.create(dataset=dataset, cell_date=day, received_rows=2)


def make_hole(day: dt.date = WEEK[2]) -> None:
    """One row less in one cell, which the ledger knows."""
    Daily.objects.filter(trade_date=day, ts_code=CODES[1]).delete()
    SyncLedger.objects.filter(dataset="daily", cell_date=day).update(
        state=CellState.PARTIAL,
        received_rows=1,
        missing={CODES[1]: "unexplained"},
        last_error="1 expected code is missing",
    )
