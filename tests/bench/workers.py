"""A history in shards: four engines in processes of their own against one, on a sandbox without quota.

The sandbox keeps every call waiting for `LATENCIES_MS`, over a plain market that costs next to nothing to
make. On few cores it, PostgreSQL and the engines share them: what four engines gain over one is what the
machine has left.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.bench.report import say, table
from tests.bench.surroundings import start_django

if TYPE_CHECKING:
    from datasync_app.sandbox.server import Sandbox

COMPANIES = 300
FIRST, LAST = dt.date(2024, 9, 1), dt.date(2024, 12, 31)
# A near source, and one so slow that the calls under way are what bounds an engine.
LATENCIES_MS = (300, 2000)
SHARD_DATES = 5
ENGINES = (1, 4)


def run() -> None:
    from datasync_app.sandbox.server import Sandbox
    from tests.bench.canned_source import IDENTITY
    from tests.datasync_app.tiny_market import TinyMarket

    market = TinyMarket(COMPANIES)
    market.serve_everything()
    lines = []
    for latency_ms in LATENCIES_MS:
        with Sandbox(market, quota=0, identity=IDENTITY) as sandbox:
            measured = [_measure(engines, sandbox, latency_ms) for engines in ENGINES]
        alone = measured[0][2]
        lines += [
            (
                f"{engines} at {latency_ms} ms",
                f"{cells:,}",
                f"{rows:,}",
                f"{seconds:.1f}",
                f"{cells * 60 / seconds:,.0f}",
                f"{rows / seconds:,.0f}",
                f"{alone / seconds:.2f}",
            )
            for engines, (cells, rows, seconds) in zip(ENGINES, measured, strict=True)
        ]
    say(
        f"Four months of four datasets in shards of {SHARD_DATES} dates, {COMPANIES:,} companies, no quota"
    )
    table(("engines", "cells", "rows", "seconds", "calls/min", "rows/s", "speed-up"), lines)


def _measure(engines: int, sandbox: Sandbox, latency_ms: int) -> tuple[int, int, float]:
    """Cells, rows and seconds."""
    sandbox.latency_ms = 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_django) as pool:
        task, cells = pool.submit(_lay_out, sandbox.url).result()
    sandbox.latency_ms = latency_ms
    seconds = _work(task, engines, sandbox.url)
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_django) as pool:
        return cells, pool.submit(_rows_of, task, cells).result(), seconds


def _lay_out(url: str) -> tuple[int, int]:
    """Four empty months as a task with its shards; the task and how many cells."""
    from django.conf import settings
    from django.db import connection
    from django.db.models import Model
    from django.utils import timezone

    from datasync_app.datasets.market import ADJ_FACTOR, DAILY, DAILY_BASIC, SUSPEND_D
    from datasync_app.engine import shards, tasks
    from datasync_app.engine.guard import OwnGuard
    from datasync_app.engine.plan import plan_range
    from datasync_app.engine.run import Engine
    from datasync_app.models import CallSlot, SyncLedger, TaskStatus
    from datasync_app.tushare.from_settings import client_from_settings

    settings.TUSHARE_BASE_URL = url
    now = timezone.now()
    datasets = (SUSPEND_D, DAILY, ADJ_FACTOR, DAILY_BASIC)
    # Nothing of the run before is left to be looked through.
    models: list[type[Model]] = [SyncLedger, CallSlot, *(each.model for each in datasets)]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(model._meta.db_table for model in models)}")
    task = tasks.start_task("bench", now=now)
    client = client_from_settings()
    Engine(client, guard=OwnGuard(), now=timezone.now).prepare(FIRST, LAST)
    client.close()
    plans = [plan_range(dataset, FIRST, LAST, now=now) for dataset in datasets]
    shards.lay_out(task, plans, FIRST, LAST, size=SHARD_DATES)
    assert task.status == TaskStatus.RUNNING
    return task.pk, sum(len(plan.calls) for plan in plans)


def _work(task: int, engines: int, url: str) -> float:
    """The seconds from the first claim to the last engine's end."""
    command = [sys.executable, "-m", "tests.acceptance.shard_engine", str(task)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    env=os.environ | {"TUSHARE_BASE_URL": url},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for _ in range(engines)
        ]
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        began = time.perf_counter()
        # All of them before any is waited for: `communicate` ends with its process.
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            process.communicate()
        return time.perf_counter() - began


def _rows_of(task: int, cells: int) -> int:
    """The rows that were stored; the task is closed."""
    from django.utils import timezone

    from datasync_app.engine import shards, tasks
    from datasync_app.models import SyncShard, SyncTask, TaskStatus

    row = SyncTask.objects.get(pk=task)
    if shards.unfinished(row):
        raise RuntimeError(f"{shards.unfinished(row)} shards are left.")
    tasks.finish(row, TaskStatus.COMPLETED, now=timezone.now())
    done = SyncShard.objects.filter(task=row)
    if sum(shard.done_cells for shard in done) != cells:
        raise RuntimeError("The engines did not ask for every cell.")
    return sum(shard.rows for shard in done)
