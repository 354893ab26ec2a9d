"""The pages of the admin over a long history: how long each takes, and how many queries it asks.

A million executions, ten thousand ledger cells and fifteen million daily rows are made by the
database itself; `--pages-scale 0.01` makes a hundredth of them. Each page is asked for by a person
who is logged in, through Django's test client: the time is that of the web process, without a
network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tests.bench.report import say, table

if TYPE_CHECKING:
    from django.test import Client

EXECUTIONS = 1_000_000
CELLS = 10_000
DAILY_ROWS = 15_000_000
CALLS = 300_000
CODES = 6_000
JOBS = ("sync_daily_by_date", "sync_incremental_finance", "sync_concept_data", "sync_stock_basic")
TIMES = 40
BOUND_MS = 300

_EXECUTIONS = """
    INSERT INTO scheduler_execution_log (job_id, scheduled_for, attempt, status, caused_by,
        triggered_by, job_kwargs, created_at, started_at, finished_at, duration_ms, error_message,
        traceback, log, result)
    SELECT (%(jobs)s::text[])[1 + n %% 4], slot, 1,
        CASE WHEN n %% 97 = 0 THEN 'MISSED' WHEN n %% 10 = 0 THEN 'FAILED' ELSE 'SUCCESS' END,
        CASE WHEN n %% 50 = 0 THEN 'manual' ELSE 'schedule' END,
        CASE WHEN n %% 50 = 0 THEN 'somebody' ELSE '' END,
        '{}', slot, slot, slot + interval '20 seconds', 20000 + n %% 7000,
        CASE WHEN n %% 10 = 0 THEN 'the source refused call ' || n ELSE '' END, '',
        repeat('a line of the log' || chr(10), 10),
        '{"daily": {"cells_closed": 1, "cells_good": 20, "rows": 5400, "calls": 1}}'
    FROM generate_series(1, %(rows)s) AS n
    CROSS JOIN LATERAL (SELECT now() - (%(rows)s - n) * interval '30 seconds' AS slot) AS slots
"""
_CELLS = """
    INSERT INTO sync_ledger (dataset, cell, cell_date, state, expected_rows, received_rows, missing,
        fingerprint, fetched_at, attempts, last_error, updated_at)
    SELECT dataset, to_char(day, 'YYYYMMDD'), day,
        CASE WHEN n %% 40 = 0 THEN 'partial' WHEN n %% 300 = 0 THEN 'failed' ELSE 'complete' END,
        5400, 5400, CASE WHEN n %% 40 = 0 THEN '{"600000.SH": "unexplained"}'::jsonb ELSE '{}' END,
        '', now(), 1, '', now()
    FROM unnest(%(datasets)s::text[]) AS dataset
    CROSS JOIN generate_series(1, %(days)s) AS n
    CROSS JOIN LATERAL (SELECT current_date - n AS day) AS days
"""
_DAILY = """
    INSERT INTO daily (trade_date, ts_code, open, high, low, close, pre_close, change, pct_chg, vol,
        amount)
    SELECT current_date - day, lpad(code::text, 6, '0') || '.SZ', 10, 11, 9, 10.5, 10, 0.5, 5, 1000,
        10000
    FROM generate_series(1, %(days)s) AS day CROSS JOIN generate_series(1, %(codes)s) AS code
"""
_CALLS = """
    INSERT INTO tushare_call (at, token_fingerprint, api_name, params, duration_ms, waited_ms, quota,
        rows, outcome, message)
    SELECT now() - n * interval '8 seconds', 'benchbench00', (%(datasets)s::text[])[1 + n %% 12],
        '{"trade_date": "20240102"}', 100 + n %% 400, 0, 195, 5000,
        CASE WHEN n %% 500 = 0 THEN 'rate_limited' ELSE 'rows' END, ''
    FROM generate_series(1, %(calls)s) AS n
"""


def run(scale: float = 1.0) -> None:
    """Fill the tables, ask for each page, tell p50 and p95."""
    began = time.monotonic()
    executions, cells, daily, calls = (
        int(n * scale) for n in (EXECUTIONS, CELLS, DAILY_ROWS, CALLS)
    )
    _fill(executions, cells, daily, calls)
    say(
        f"Pages over {executions:,} executions, {cells:,} ledger cells, {daily:,} daily rows, "
        f"{calls:,} calls"
        f" (made in {time.monotonic() - began:.0f} s)"
    )
    client = _boss()
    rows = [_measured(client, name, address) for name, address in _pages()]
    table(("page", "queries", "p50", "p95", ""), rows)


def _fill(executions: int, cells: int, daily: int, calls: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from datasync_app.datasets import DATASETS
    from datasync_app.tushare.journal import call_journal

    tables = ("scheduler_execution_log", "sync_ledger", "daily", "tushare_call", "tushare_past_day")

    # Half the ledger cells for each of two datasets of trade dates.
    datasets = ["daily", "adj_factor"]
    days = max(1, daily // CODES)
    with connection.cursor() as cursor:
        for table_ in tables:
            cursor.execute(f"TRUNCATE {table_} CASCADE")
        cursor.execute(_EXECUTIONS, {"jobs": list(JOBS), "rows": executions})
        cursor.execute(_CELLS, {"datasets": datasets, "days": max(1, cells // len(datasets))})
        cursor.execute(_DAILY, {"days": days, "codes": CODES})
        cursor.execute(_CALLS, {"datasets": list(DATASETS), "calls": calls})
        call_journal().count_past_days(timezone.now())
        for table_ in tables:
            cursor.execute(f"VACUUM ANALYZE {table_}")


def _boss() -> Client:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    settings.WHITENOISE_AUTOREFRESH = True
    User.objects.filter(username="bench").delete()
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.create_superuser("bench"))
    return client


def _pages() -> Iterator[tuple[str, str]]:
    from scheduler_app.models import ExecutionLog, JobConfig

    executions, schedules = "/admin/scheduler_app/executionlog/", "/admin/scheduler_app/jobconfig/"
    newest = ExecutionLog.objects.latest("id").pk
    schedule = JobConfig.objects.values_list("pk", flat=True).first()
    yield "dashboard", "/admin/"
    yield "schedules", schedules
    yield "a schedule", f"{schedules}{schedule}/change/"
    yield "executions", executions
    yield "executions, page 100", f"{executions}?p=100"
    yield "executions, rare status", f"{executions}?status__exact=MISSED"
    yield "executions, status that there is none of", f"{executions}?status__exact=CANCELLED"
    yield "executions of a job that failed", f"{executions}?job_id={JOBS[0]}&status__exact=FAILED"
    yield "executions, found by words", f"{executions}?q=nothing+has+these+words"
    yield "executions, found by day", f"{executions}?q=2026-01-01"
    yield "an execution", f"{executions}{newest}/change/"
    yield "coverage", "/admin/datasync_app/syncledger/calendar/?dataset=daily"
    yield "ledger", "/admin/datasync_app/syncledger/"
    yield "ledger, partial", "/admin/datasync_app/syncledger/?state__exact=partial"
    yield "tasks", "/admin/datasync_app/synctask/"
    journal = "/admin/datasync_app/tusharecall/"
    yield "call journal", journal
    yield "call journal, of one endpoint", f"{journal}?api_name=user"
    yield "call journal, refused", f"{journal}?outcome__exact=denied"
    yield "calls by day", "/admin/datasync_app/callday/"
    yield "doctor", "/admin/doctor/"
    yield "API: calls", "/api/tushare/calls?api_name=user"
    yield "API: executions", "/api/scheduler/executions?limit=100"
    yield "API: jobs", "/api/scheduler/jobs"


def _measured(client: Client, name: str, address: str) -> tuple[str, str, str, str, str]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def ask() -> None:
        answer = client.get(address)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")

    ask()  # templates are read once
    with CaptureQueriesContext(connection) as queries:
        ask()
    # Counted now: the next request forgets them.
    count = len(queries)
    took = sorted(_timed(ask) for _ in range(TIMES))
    p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
    verdict = "" if p95 < BOUND_MS else f"over {BOUND_MS} ms"
    return name, str(count), f"{p50:.0f} ms", f"{p95:.0f} ms", verdict


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000
