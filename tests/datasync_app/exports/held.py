"""Nine open days over two years, held whole, of two companies and an index of the market."""

from __future__ import annotations

import datetime as dt

from datasync_app.datasets import DATASETS
from datasync_app.engine import horizon
from datasync_app.models import AdjFactor, CellState, Daily, NameChange, SyncLedger
from tests.datasync_app.factories import LedgerFactory, hold_calendar

DAYS = [dt.date(2019, 12, 30), dt.date(2019, 12, 31)] + [
    dt.date(2020, 1, day) for day in (2, 3, 6, 7, 8, 9, 10)
]
CODES = ("000001.SZ", "600000.SH")
NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)


def hold_days() -> None:
    hold_calendar(2019)
    hold_calendar(2020, closed={dt.date(2020, 1, 1)})
    for n, day in enumerate(DAYS):
        hold_day(day, n)
    for dataset in ("daily", "adj_factor"):
        horizon.move_earlier(DATASETS[dataset], DAYS[0])
    NameChange.objects.create(ts_code="000001.SZ", name='平安"银行,\nA', start_date=DAYS[0])
    NameChange.objects.create(
        ts_code="000001.SZ", name="x", start_date=DAYS[1], change_reason="", end_date=DAYS[2]
    )
    LedgerFactory.create(dataset="namechange", cell="all", cell_date=None, received_rows=2)


def hold_day(day: dt.date, n: int) -> None:
    for at, code in enumerate(CODES):
        price = 10 + n + at / 3
        Daily.objects.create(
            ts_code=code, trade_date=day, open=price, high=price + 1, low=price - 1, close=price,
            pre_close=10.0, vol=100.0, amount=123.456, change=None,
        )  # fmt: skip
        AdjFactor.objects.create(ts_code=code, trade_date=day, adj_factor=1.5 + (n > 4))
    for dataset in ("daily", "adj_factor"):
        LedgerFactory.create(dataset=dataset, cell_date=day, received_rows=2)


def make_hole(day: dt.date = DAYS[4]) -> None:
    Daily.objects.filter(trade_date=day, ts_code=CODES[1]).delete()
    SyncLedger.objects.filter(dataset="daily", cell_date=day).update(
        state=CellState.PARTIAL, received_rows=1, last_error="1 expected code is missing"
    )
