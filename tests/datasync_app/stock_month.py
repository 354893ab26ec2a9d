"""A stock whose June 2019 is held, for pages that show one."""

from __future__ import annotations

import datetime as dt

from datasync_app.models import AdjFactor, Daily, SuspendD
from tests.datasync_app.factories import LedgerFactory, StockBasicFactory, hold_calendar

FIRST, LAST = dt.date(2019, 6, 3), dt.date(2019, 6, 28)


def hold_stock(code: str, name: str, *, suspended: dt.date) -> None:
    """A bar of every weekday, twice as much worth after a factor of 2, save of a suspension."""
    hold_calendar(2019)
    StockBasicFactory.create(ts_code=code, name=name, industry="银行")
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + dt.timedelta(days=number)
        if day.weekday() > 4:
            continue
        LedgerFactory.create(cell_date=day)
        AdjFactor.objects.create(ts_code=code, trade_date=day, adj_factor=2.0)
        if day == suspended:
            SuspendD.objects.create(ts_code=code, trade_date=day, suspend_type="S")
            continue
        price = 10 + number % 7 * 0.35
        Daily.objects.create(
            ts_code=code, trade_date=day, open=price, close=price + (number % 3 - 1) * 0.3,
            high=price + 0.6, low=price - 0.5, pre_close=price, pct_chg=1.25, vol=1e5 + number * 2e3,
            amount=1e5,
        )  # fmt: skip
