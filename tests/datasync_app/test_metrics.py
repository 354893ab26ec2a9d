"""What Prometheus is told of calls and data."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from datasync_app.metrics import data_metrics
from datasync_app.models import CellState, SyncLedger, TushareCall

pytestmark = pytest.mark.django_db


def told(name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for metric in data_metrics()
        for sample in metric.samples
        if sample.name == f"stocksync_{name}"
    }


def call(api_name: str, outcome: str, *, minutes: int = 5, rows: int | None = None) -> None:
    TushareCall.objects.create(
        at=timezone.now() - dt.timedelta(minutes=minutes),
        token_fingerprint="abc",
        api_name=api_name,
        duration_ms=10,
        waited_ms=1500,
        quota=195,
        rows=rows,
        outcome=outcome,
    )


def test_calls_and_refusals_of_the_last_hour_are_counted_by_endpoint() -> None:
    call("daily", "rows", rows=5000)
    call("daily", "rows", rows=4000)
    call("daily", "rate_limited")
    call("daily", "rows", rows=9, minutes=61)
    call("stock_basic", "denied")
    assert told("tushare_calls_last_hour") == {
        ("daily", "rows"): 2,
        ("daily", "rate_limited"): 1,
        ("stock_basic", "denied"): 1,
    }
    assert told("tushare_rows_last_hour") == {("daily",): 9000, ("stock_basic",): 0}
    assert told("tushare_waited_seconds_last_hour") == {("daily",): 4.5, ("stock_basic",): 1.5}


def cell(name: str, state: str, *, rows: int = 0, next_in: int | None = None) -> None:
    due = None if next_in is None else timezone.now() + dt.timedelta(minutes=next_in)
    SyncLedger.objects.create(
        dataset="daily", cell=name, state=state, received_rows=rows, next_attempt_at=due
    )


def test_rows_cells_and_late_cells_are_told_by_dataset() -> None:
    cell("20260302", CellState.COMPLETE, rows=5000)
    cell("20260303", CellState.PARTIAL, rows=4000, next_in=-1)
    cell("20260304", CellState.FAILED)
    cell("20260305", CellState.DUE, next_in=60)
    assert told("cells") == {
        ("daily", "complete"): 1,
        ("daily", "due"): 1,
        ("daily", "failed"): 1,
        ("daily", "partial"): 1,
    }
    assert told("rows") == {("daily",): 9000}
    assert told("late_cells") == {("daily",): 2}
