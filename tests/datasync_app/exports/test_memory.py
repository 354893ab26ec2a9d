"""Exports and answers take the same memory however many rows there are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from tests.processes import REPOSITORY, environment

_FILL = """
    INSERT INTO trade_cal (exchange, cal_date, is_open)
    SELECT 'SSE', day, (extract(isodow FROM day) < 6)::int
    FROM generate_series(make_date(%(first)s, 1, 1), make_date(%(last)s, 12, 31), '1 day') AS day;
    INSERT INTO daily (ts_code, trade_date, open, high, low, close, pre_close, change, pct_chg, vol,
        amount)
    SELECT (600000 + n) || '.SH', cal_date, 10.01, 10.87, 9.93, 10.42, 10.11, 0.31, 3.0663,
           n + 0.25, n + 0.125
    FROM trade_cal, generate_series(1, %(codes)s) AS n
    WHERE is_open = 1 AND extract(year FROM cal_date) BETWEEN %(first)s AND %(last)s;
    INSERT INTO adj_factor (ts_code, trade_date, adj_factor)
    SELECT ts_code, trade_date, 1.5 FROM daily ON CONFLICT DO NOTHING;
"""


def fill(codes: int, first: int, last: int) -> None:
    """Bars of so many codes on each weekday of these years."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"codes": codes, "first": first, "last": last})


class Giver:
    """A process that gives all bars away, as it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def told(self, *words: str) -> tuple[int, int]:
        """What it gave, and its peak so far in kB."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        given, peak = map(int, self._process.stdout.readline().split())
        return given, peak


@contextmanager
def giver() -> Iterator[Giver]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.datasync_app.exports.peaks"],
        cwd=REPOSITORY,
        env=environment(DJANGO_SETTINGS_MODULE="stocksync.settings"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Giver(process)


@pytest.mark.parametrize("codes", [80, pytest.param(500, marks=pytest.mark.soak)])
@pytest.mark.django_db(transaction=True)
def test_four_times_the_rows_take_no_more_memory(codes: int, tmp_path: Path) -> None:
    fill(codes, 2024, 2024)
    with giver() as process:
        few, before = process.told("pieces", str(tmp_path / "few"))
        fill(codes, 2021, 2023)
        many, after = process.told("pieces", str(tmp_path / "many"))
        rows, at_once = process.told("whole")
    assert rows > 1_000 * codes
    assert many > 3.9 * few
    # What all of them take at once is noticed.
    assert at_once - after > 20_000
    assert after - before < 10_000
