"""Exports of the market that the protocol's bench holds, by the command itself, against a bare COPY TO.

The time and the memory of a command are those of its process, from start to end: a second or so of them is
Python and Django. The COPY is read by one client, in CSV, and thrown away.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import serving
from tests.bench.report import say, table
from tests.bench.surroundings import REPOSITORY

_FACTORS = f"""
TRUNCATE adj_factor;
INSERT INTO adj_factor (ts_code, trade_date, adj_factor)
SELECT ts_code, trade_date, 1.5 FROM daily;
INSERT INTO sync_ledger (dataset, cell, cell_date, state, received_rows, missing, fingerprint,
    attempts, last_error, updated_at)
SELECT 'adj_factor', cell, cell_date, state, 1, '{{}}', '', 0, '', now()
FROM sync_ledger WHERE dataset = 'daily';
INSERT INTO sync_dataset_state (dataset, horizon, updated_at)
VALUES ('adj_factor', '{serving.FIRST_YEAR}-01-01', now());
ANALYZE;
"""  # noqa: S608 (numbers of our own)
_DAY = dt.date(serving.YEAR, 6, 3)


def run() -> None:
    from datasync_app.models import Daily

    serving.fill()
    _execute(_FACTORS)
    rows = Daily.objects.count()
    copy = _copied()
    found = [("a bare COPY TO of daily", rows, copy, "")]
    with TemporaryDirectory(prefix="stocksync-bench-") as name:
        folder = Path(name)
        parquet = (str(folder / "parquet"), "--datasets", "daily", "--allow-incomplete")
        qlib = ("--qlib", str(folder / "qlib"), "--allow-incomplete")
        found.append(("Parquet, everything", rows, *_command(*parquet)))
        found.append(("Parquet, nothing changed", rows, *_command(*parquet)))
        Daily.objects.filter(trade_date=_DAY, ts_code="600100.SH").update(close=10.5)
        found.append(("Parquet, one value changed", rows, *_command(*parquet)))
        duck = (*parquet, "--duckdb", str(folder / "stocks.duckdb"))
        found.append(("Parquet and DuckDB, nothing changed", rows, *_command(*duck)))
        found.append(("qlib, everything", rows, *_command(*qlib)))
        found.append(("qlib, nothing changed", rows, *_command(*qlib)))
        Daily.objects.filter(trade_date=_DAY).update(close=10.6)
        found.append(("qlib, one day changed", rows, *_command(*qlib)))
        report = ("--start", f"{serving.FIRST_YEAR}0101", "--end", f"{serving.YEAR}1231")
        found.append(("report", rows, *_command(*report, "--datasets", "daily", command="report")))
    say("Exports by the command, of the bars of the market; rows/s are rows held by seconds taken")
    shown = [
        (what, f"{rows:,}", f"{taken:.1f} s", f"{rows / taken:,.0f}", f"{copy / taken:.2f}", memory)
        for what, rows, taken, memory in found
    ]
    table(("", "rows", "time", "rows/s", "against COPY", "memory"), shown)


def _command(*args: str, command: str = "export") -> tuple[float, str]:
    """How long it takes, and the most memory its process had."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", command, *args],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"manage.py {command} {args} ended with {process.returncode}")
    return time.monotonic() - started, f"{usage.ru_maxrss / 1000:.0f} MB"


def _copied() -> float:
    from django.db import connection

    started = time.monotonic()
    with connection.cursor() as cursor, cursor.copy("COPY daily TO STDOUT (FORMAT csv)") as copy:
        for _piece in copy:
            pass
    return time.monotonic() - started


def _execute(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
