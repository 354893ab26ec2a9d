"""Tushare's protocol over the local database, through the SDK: calls a minute, p50 and p95.

The web is gunicorn as in production, on the same machine as the one caller, who asks one call after the
other and turns each answer into a DataFrame, as the SDK does; "answer" is the part of it until the last byte
is there. The whole market of one year is held, and twenty years of a tenth of it.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import requests

from tests.bench.report import say, table
from tests.bench.surroundings import REPOSITORY

CODES, OLD_CODES = 5_400, 540
YEAR, FIRST_YEAR = 2024, 2005
SECONDS = 6.0
FEWEST = 5
QUOTA = 500
CALLERS = (1, 4, 16)

# A calendar of weekdays, good bars on each, and the ledger that proves them.
_FILL = f"""
INSERT INTO trade_cal (exchange, cal_date, is_open)
SELECT 'SSE', day, (extract(isodow FROM day) < 6)::int
FROM generate_series('{FIRST_YEAR}-01-01'::date, '{YEAR}-12-31', '1 day') AS day;
INSERT INTO sync_ledger (dataset, cell, state, received_rows, missing, fingerprint, attempts,
    last_error, updated_at)
SELECT 'trade_cal', 'SSE:' || year, 'complete', 365, '{{}}', '', 0, '', now()
FROM generate_series({FIRST_YEAR}, {YEAR}) AS year;
INSERT INTO sync_ledger (dataset, cell, cell_date, state, received_rows, missing, fingerprint,
    attempts, last_error, updated_at)
SELECT 'daily', to_char(cal_date, 'YYYYMMDD'), cal_date, 'complete', 1, '{{}}', '', 0, '', now()
FROM trade_cal WHERE is_open = 1;
INSERT INTO stock_basic (ts_code, list_status, list_date, last_seen_at)
SELECT (600000 + n) || '.SH', 'L', '{FIRST_YEAR}-01-03', now()
FROM generate_series(0, {CODES - 1}) AS n;
INSERT INTO daily (ts_code, trade_date, open, high, low, close, pre_close, change, pct_chg, vol,
    amount)
SELECT (600000 + n) || '.SH', cal_date, 10.01, 10.87, 9.93, 10.42, 10.11, 0.31, 3.0663,
       round((random() * 1e6)::numeric, 2), round((random() * 1e6)::numeric, 3)
FROM trade_cal, generate_series(0, {CODES - 1}) AS n
WHERE is_open = 1 AND (n < {OLD_CODES} OR cal_date >= '{YEAR}-01-01')
ORDER BY cal_date, n;
INSERT INTO sync_dataset_state (dataset, horizon, updated_at)
VALUES ('daily', '{FIRST_YEAR}-01-01', now());
ANALYZE;
"""  # noqa: S608 (numbers of our own)


def run() -> None:
    token = fill()
    with _gunicorn() as (url, memory):
        api = _sdk(url, token)
        year = {"start_date": f"{YEAR}0101", "end_date": f"{YEAR}1231", "limit": "2000000"}
        calls: dict[str, dict[str, str]] = {
            "one day of the whole market": {"trade_date": f"{YEAR}0603"},
            f"one stock, {YEAR - FIRST_YEAR + 1} years": {
                "ts_code": "600100.SH",
                "end_date": f"{YEAR}1231",
            },
            "one field of the market's year": {**year, "fields": "close"},
        }
        rows = [
            (*_measured(name, api, f"{url}/dataapi/daily", token, call), memory())
            for name, call in calls.items()
        ]
        at_once = [_by_several(callers, f"{url}/dataapi/daily", token) for callers in CALLERS]
    say(f"Serving, by the SDK on the same machine; Tushare's quota is {QUOTA} calls a minute")
    table(("", "rows", "calls/min", "against the quota", "p50", "p95", "answer", "web holds"), rows)
    say("Answers of one day of the whole market, without the SDK, by several callers at once")
    table(("callers", "answers/min", "against the quota", "p50"), at_once)


def _measured(
    name: str, api: Any, url: str, token: str, params: Mapping[str, str]
) -> tuple[str, ...]:
    fields = params.get("fields", "")
    body = {"token": token, "params": {**params, "fields": ""}, "fields": fields}
    size = len(api.daily(**params))  # the first call warms up
    taken = _times(lambda: api.daily(**params))
    answer = _times(lambda: requests.post(url, json=body, timeout=300).content)
    rate = 60 / statistics.mean(taken)
    late = sorted(taken)[min(len(taken) - 1, int(len(taken) * 0.95))]
    return (
        name,
        f"{size:,}",
        f"{rate:,.0f}",
        f"{rate / QUOTA:.2f}",
        f"{1000 * statistics.median(taken):,.0f} ms",
        f"{1000 * late:,.0f} ms",
        f"{1000 * statistics.median(answer):,.0f} ms",
    )


def _by_several(callers: int, url: str, token: str) -> tuple[str, ...]:
    body = {"token": token, "params": {"trade_date": f"{YEAR}0603"}, "fields": ""}
    started = time.monotonic()
    with ThreadPoolExecutor(callers) as pool:
        asked = [
            pool.submit(_times, lambda: requests.post(url, json=body, timeout=300).content)
            for _ in range(callers)
        ]
        taken = [seconds for each in asked for seconds in each.result()]
    rate = 60 * len(taken) / (time.monotonic() - started)
    p50 = f"{1000 * statistics.median(taken):,.0f} ms"
    return str(callers), f"{rate:,.0f}", f"{rate / QUOTA:.2f}", p50


def _times(call: Callable[[], object]) -> list[float]:
    taken = list[float]()
    started = time.monotonic()
    while len(taken) < FEWEST or time.monotonic() - started < SECONDS:
        before = time.monotonic()
        call()
        taken.append(time.monotonic() - before)
    return taken


def fill() -> str:
    """Hold the market in place of what there is; gives a token of somebody who may read it."""
    from django.contrib.auth.models import User
    from django.db import connection
    from knox.models import AuthToken

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE trade_cal, sync_ledger, daily, stock_basic, sync_dataset_state;" + _FILL
        )
    reader, _made = User.objects.get_or_create(username="bench-reader", is_staff=True)
    return str(AuthToken.objects.create(reader)[1])


def _sdk(url: str, token: str) -> Any:
    from tushare.pro.client import DataApi

    api = DataApi(token, timeout=300)
    api._DataApi__http_url = f"{url}/dataapi"
    return api


@contextmanager
def _gunicorn() -> Iterator[tuple[str, Callable[[], str]]]:
    """Its address, and the memory of its largest worker so far."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("-m", "gunicorn", "--config", "python:stocksync.up.gunicorn_settings")
    with subprocess.Popen(
        [sys.executable, *command, "stocksync.wsgi"],
        cwd=REPOSITORY,
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}", lambda: _memory(process.pid)
        finally:
            process.terminate()


def _memory(pid: int) -> str:
    workers = psutil.Process(pid).children()
    return f"{max(worker.memory_info().rss for worker in workers) / 1e6:.0f} MB"


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("gunicorn does not listen")
