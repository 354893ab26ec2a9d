"""Rows of the market data app, for tests."""

from __future__ import annotations

import datetime as dt

from factory.declarations import LazyAttribute, Sequence
from factory.django import DjangoModelFactory

from datasync_app.models import (
    CellState,
    EndpointAccess,
    StockBasic,
    SyncFailureRecord,
    SyncLedger,
    SyncTask,
    TaskStatus,
    TradeCal,
    TushareCall,
)

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=dt.UTC)


class StockBasicFactory(DjangoModelFactory[StockBasic]):
    class Meta:
        model = StockBasic

    ts_code = Sequence(lambda n: f"{600000 + n}.SH")
    list_status = "L"
    list_date = dt.date(2000, 1, 4)


class LedgerFactory(DjangoModelFactory[SyncLedger]):
    class Meta:
        model = SyncLedger

    dataset = "daily"
    cell = LazyAttribute(lambda row: f"{row.cell_date:%Y%m%d}")
    cell_date = dt.date(2020, 1, 9)
    state = CellState.COMPLETE
    received_rows = 1


class SyncTaskFactory(DjangoModelFactory[SyncTask]):
    class Meta:
        model = SyncTask

    job_type = "sync_daily_by_date"
    status = TaskStatus.RUNNING
    started_at = NOW
    updated_at = NOW


def hold_calendar(year: int, *, closed: set[dt.date] | None = None) -> None:
    """A good SSE calendar of that year: weekdays are open, save those named."""
    day, days = dt.date(year, 1, 1), []
    while day.year == year:
        is_open = day.weekday() < 5 and day not in (closed or set())
        days.append(TradeCal(exchange="SSE", cal_date=day, is_open=int(is_open)))
        day += dt.timedelta(days=1)
    TradeCal.objects.bulk_create(days)
    LedgerFactory.create(
        dataset="trade_cal", cell=f"SSE:{year}", cell_date=None, received_rows=len(days)
    )


class FailureFactory(DjangoModelFactory[SyncFailureRecord]):
    class Meta:
        model = SyncFailureRecord

    job_type = "sync_incremental_finance"
    code = Sequence(lambda n: f"{600000 + n}.SH")
    error_message = "It was refused."
    last_attempt_at = NOW


class EndpointAccessFactory(DjangoModelFactory[EndpointAccess]):
    class Meta:
        model = EndpointAccess

    token_fingerprint = "0123456789ab"
    api_name = "daily"
    updated_at = NOW


class TushareCallFactory(DjangoModelFactory[TushareCall]):
    class Meta:
        model = TushareCall

    at = NOW
    token_fingerprint = "0123456789ab"
    api_name = "daily"
    duration_ms = 100
    waited_ms = 0
    quota = 195
    rows = 1
    outcome = "rows"
