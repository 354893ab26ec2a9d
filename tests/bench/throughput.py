"""How fast the engine stores days, beside a bare binary COPY of the same rows.

Both write to the same server: the engine into `daily`, the COPY into a table with the same columns,
key and index. The sandbox runs in a process of its own, without quota or latency. Spans of days take
turns, engine first; the median of their shares is told.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.bench.report import say, table
from tests.bench.surroundings import sandbox_process

if TYPE_CHECKING:
    from datasync_app.datasets.base import Cell
    from datasync_app.tushare.client import TushareClient

SPANS = 3
DAYS = 20
YEAR = 2024
CALLERS = 4


def run() -> None:
    import os

    from django.conf import settings

    with sandbox_process("--quota", "0") as url:
        os.environ["TUSHARE_BASE_URL"] = settings.TUSHARE_BASE_URL = url
        rows, fetch, engine, copy = measure()
    say(f"Sync engine, {SPANS} spans of {DAYS} trade dates of daily, {rows} rows")
    table(
        ("", "rows/s", "of bare COPY"),
        [
            ("bare binary COPY, same table and index", f"{_rate(copy):,.0f}", "1.00"),
            ("engine: fetch, check, store, account", f"{_rate(engine):,.0f}", _share(engine, copy)),
            ("calls to the sandbox alone", f"{_rate(fetch):,.0f}", _share(fetch, copy)),
        ],
    )


Speeds = Sequence[float]


def measure() -> tuple[int, Speeds, Speeds, Speeds]:
    """Rows in all, and rows per second of each span: calls alone, engine, COPY."""
    import datetime as dt

    from django.utils import timezone

    from datasync_app.datasets import DAILY
    from datasync_app.engine.plan import Plan, plan_dates
    from datasync_app.engine.run import Engine, OwnGuard
    from datasync_app.models import Daily
    from datasync_app.tushare.from_settings import client_from_settings

    client = client_from_settings()
    engine = Engine(client, guard=OwnGuard(), now=timezone.now)
    first, last = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)
    engine.prepare(first, last)
    todo = plan_dates(DAILY, first, last, now=timezone.now()).todo
    _make_table()

    total, fetch_speeds, engine_speeds, copy_speeds = 0, [], [], []
    for span in range(SPANS + 1):  # the first warms up
        cells = todo[span * DAYS : (span + 1) * DAYS]
        began = time.perf_counter()
        _fetch_only(client, cells)
        fetched = time.perf_counter()
        report = engine.run(Plan(DAILY, cells, good=()))
        synced = time.perf_counter()
        dates = [cell.date for cell in cells if cell.date]
        rows = list(Daily.objects.filter(trade_date__in=dates).values_list(*DAILY.field_names))
        if len(rows) != report.rows or not rows:
            raise RuntimeError(f"The engine stored {report.rows} rows, {len(rows)} are there.")
        copying = time.perf_counter()
        _copy(rows)
        copied = time.perf_counter()
        if span:
            total += len(rows)
            fetch_speeds.append(len(rows) / (fetched - began))
            engine_speeds.append(len(rows) / (synced - fetched))
            copy_speeds.append(len(rows) / (copied - copying))
    client.close()
    return total, fetch_speeds, engine_speeds, copy_speeds


def _fetch_only(client: TushareClient, cells: Sequence[Cell]) -> None:
    from datasync_app.datasets import DAILY

    def call(cell: Cell) -> None:
        client.fetch(DAILY.name, DAILY.cut.params(cell), DAILY.field_names)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, cells))


def _make_table() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_daily (LIKE daily INCLUDING ALL)")


def _copy(rows: Iterable[tuple[object, ...]]) -> None:
    from django.db import connection, transaction

    from datasync_app.datasets import DAILY

    names = ", ".join(connection.ops.quote_name(name) for name in DAILY.field_names)
    statement = f"COPY bench_daily ({names}) FROM STDIN (FORMAT BINARY)"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([field.kind.value for field in DAILY.fields])
        for row in rows:
            copy.write_row(row)


def _rate(speeds: Speeds) -> float:
    return statistics.median(speeds)


def _share(speeds: Speeds, others: Speeds) -> str:
    shares = [one / other for one, other in zip(speeds, others, strict=True)]
    return f"{statistics.median(shares):.2f}"
