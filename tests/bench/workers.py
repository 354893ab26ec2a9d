"""A history in shards: four engines in processes of their own against one, on a sandbox without quota.

The sandbox keeps every call waiting for `LATENCY_MS`, and is a process too; on few cores it, PostgreSQL
and the engines share them, and what four engines gain over one is what the machine has left.
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

from tests.bench.report import say, table
from tests.bench.surroundings import start_django

COMPANIES = 300
FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 6, 30)
LATENCY_MS = 300
SHARD_DATES = 10
ENGINES = (1, 4)


def run() -> None:
    spawn = multiprocessing.get_context("spawn")
    command = [
        *(sys.executable, "manage.py", "sandbox", "--port", "0", "--quota", "0"),
        *("--companies", str(COMPANIES), "--latency", str(LATENCY_MS)),
    ]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        try:
            url = sandbox.stdout.readline().removeprefix("listening on ").strip()
            for engines in ENGINES:
                with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_django) as pool:
                    task, cells = pool.submit(_lay_out, url).result()
                seconds = _work(task, engines, url)
                with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_django) as pool:
                    rows = pool.submit(_rows_of, task, cells).result()
                lines.append((engines, cells, rows, seconds))
        finally:
            sandbox.terminate()
    one = lines[0][3]
    say(
        f"Half a year of four datasets in shards of {SHARD_DATES} dates, {COMPANIES:,} companies, answers "
        f"after {LATENCY_MS} ms, no quota"
    )
    table(
        ("engines", "cells", "rows", "seconds", "calls/min", "rows/s", "speed-up"),
        [
            (
                f"{engines}",
                f"{cells:,}",
                f"{rows:,}",
                f"{seconds:.1f}",
                f"{cells * 60 / seconds:,.0f}",
                f"{rows / seconds:,.0f}",
                f"{one / seconds:.2f}",
            )
            for engines, cells, rows, seconds in lines
        ],
    )


def _lay_out(url: str) -> tuple[int, int]:
    """An empty half-year as a task with its shards; the task and how many cells."""
    from django.conf import settings
    from django.utils import timezone

    from datasync_app.datasets.market import ADJ_FACTOR, DAILY, DAILY_BASIC, SUSPEND_D
    from datasync_app.engine import shards, tasks
    from datasync_app.engine.guard import OwnGuard
    from datasync_app.engine.plan import plan_range
    from datasync_app.engine.run import Engine
    from datasync_app.models import SourceIdentity, SyncLedger, TaskStatus
    from datasync_app.tushare.from_settings import client_from_settings

    settings.TUSHARE_BASE_URL = url
    now = timezone.now()
    datasets = (SUSPEND_D, DAILY, ADJ_FACTOR, DAILY_BASIC)
    for dataset in datasets:
        dataset.model._default_manager.all().delete()
    SyncLedger.objects.all().delete()
    SourceIdentity.objects.all().delete()
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
        for process in started:
            process.communicate("\n")
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
