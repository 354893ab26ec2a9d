"""How fast the engine stores full-market history, beside a bare binary COPY of the same rows.

Both write to the same server: the engine into `daily`, the COPY into a table with the same columns,
key and index. The COPY gets buffers that were packed beforehand and one transaction for all days of a
span; the engine fetches over HTTP, checks, compares, judges and accounts for each day. What answers it
is a canned source in a process of its own, without quota or latency. Spans of days take turns, engine
and COPY; the median of their shares is told, and the CPU that the engine's own process took.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.canned_source import canned_source
from tests.bench.report import say, table

if TYPE_CHECKING:
    from datasync_app.datasets.base import Cell
    from datasync_app.engine.run import Engine

SPANS = 7
DAYS = 20
FIRST_YEAR, LAST_YEAR = 2022, 2024


@dataclass
class Measured:
    rows: int = 0
    engine_seconds: list[float] = field(default_factory=list)
    copy_seconds: list[float] = field(default_factory=list)
    span_rows: list[int] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def share(self) -> float:
        pairs = zip(self.copy_seconds, self.engine_seconds, strict=True)
        return statistics.median(copy / engine for copy, engine in pairs)

    def rate(self, seconds: Sequence[float]) -> float:
        pairs = zip(self.span_rows, seconds, strict=True)
        return statistics.median(rows / taken for rows, taken in pairs)


def run() -> None:
    with canned_source():
        measured = measure()
    say(f"Sync engine, {SPANS} spans of {DAYS} trade dates of daily, {measured.rows:,} rows")
    table(
        ("", "rows/s", "of bare COPY"),
        [
            (
                "bare binary COPY of packed rows, same table and index",
                f"{measured.rate(measured.copy_seconds):,.0f}",
                "1.00",
            ),
            (
                "engine: fetch, check, compare, store, account",
                f"{measured.rate(measured.engine_seconds):,.0f}",
                f"{measured.share:.2f}",
            ),
        ],
    )
    per_million = measured.cpu_seconds / measured.rows * 1e6
    say(f"  the engine's process took {per_million:.1f} CPU seconds per million rows")
    say()


def measure() -> Measured:
    import datetime as dt

    from django.utils import timezone

    from datasync_app.datasets import DAILY
    from datasync_app.engine.plan import plan_dates
    from datasync_app.engine.run import Engine, OwnGuard
    from datasync_app.tushare.from_settings import client_from_settings

    client = client_from_settings()
    engine = Engine(client, guard=OwnGuard(), now=timezone.now)
    first, last = dt.date(FIRST_YEAR, 1, 1), dt.date(LAST_YEAR, 12, 31)
    engine.prepare(first, last)
    todo = plan_dates(DAILY, first, last, now=timezone.now()).todo
    _make_table()
    measured = Measured()
    for span in range(SPANS + 1):  # the first warms up
        _measure_span(engine, todo[span * DAYS : (span + 1) * DAYS], measured, warm=span > 0)
    client.close()
    return measured


def _measure_span(
    engine: Engine, cells: tuple[Cell, ...], measured: Measured, *, warm: bool
) -> None:
    from datasync_app.datasets import DAILY
    from datasync_app.engine.plan import Plan

    cpu, began = time.process_time(), time.perf_counter()
    (report,) = engine.run_side_by_side([Plan(DAILY, cells, good=())])
    synced, cpu = time.perf_counter(), time.process_time() - cpu
    if not report.is_good or report.good != len(cells):
        raise RuntimeError(f"The engine did not finish: {report.sentence()}")
    days = [_packed_day(cell) for cell in cells]
    copying = time.perf_counter()
    _copy(days)
    copied = time.perf_counter()
    if warm:
        measured.rows += report.rows
        measured.cpu_seconds += cpu
        measured.span_rows.append(report.rows)
        measured.engine_seconds.append(synced - began)
        measured.copy_seconds.append(copied - copying)


def _packed_day(cell: Cell) -> tuple[tuple[str, ...], bytes]:
    """The stored rows of a day, as a COPY takes them."""
    from datasync_app.datasets import DAILY
    from datasync_app.engine.held import rows_of_cell

    rows = rows_of_cell(DAILY, cell)
    return tuple(field.name for field in rows.said), rows.packed


def _make_table() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_daily (LIKE daily INCLUDING ALL)")


def _copy(days: Sequence[tuple[tuple[str, ...], bytes]]) -> None:
    from django.db import connection, transaction

    from datasync_app.engine.binary_copy import HEADER, TRAILER

    ((columns, _), *_) = days
    if any(names != columns for names, _ in days):
        raise RuntimeError("The days do not have the same columns.")
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    statement = f"COPY bench_daily ({names}) FROM STDIN (FORMAT BINARY)"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER)
        for _, packed in days:
            copy.write(packed)
        copy.write(TRAILER)
