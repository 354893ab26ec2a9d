"""Engines in processes of their own on the shards of one history, frozen, killed and under one quota."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest
from django.utils import timezone
from pytest_django import Settings

from datasync_app.datasets import DAILY_DATASETS
from datasync_app.datasets.base import Cell
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import market_day
from datasync_app.engine import shards, tasks
from datasync_app.engine.guard import OwnGuard
from datasync_app.engine.held import count_of_cell
from datasync_app.engine.plan import plan_range
from datasync_app.engine.run import Engine
from datasync_app.models import GOOD_STATES, ShardState, SyncLedger, SyncShard, SyncTask, TaskStatus
from datasync_app.sandbox.account import Quota
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.from_settings import client_from_settings
from scheduler_app.models import ExecutionLog, JobConfig, Status
from tests import processes
from tests.acceptance.runscheduler import SchedulerUnderTest, WorkerUnderTest
from tests.acceptance.worker_tables import WORKERS, worker_tables
from tests.factories import ExecutionLogFactory
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

BY_DATE = [dataset for dataset in DAILY_DATASETS if isinstance(dataset.cut, ByTradeDate)]
JOB = "sync_daily_history"
SHARD_DATES = 4
CALLS, WINDOW_SECONDS = 60, 2.0
QUOTA = {
    "TUSHARE_RATE_LIMIT_MAX_CALLS": str(CALLS),
    "TUSHARE_RATE_LIMIT_WINDOW_SECONDS": str(WINDOW_SECONDS),
}


@pytest.fixture
def url() -> Iterator[str]:
    JobConfig.objects.all().delete()
    with worker_tables() as url:
        yield url


@contextmanager
def history(
    url: str, sandbox: Sandbox, folder: Path, *, workers: int, days: int, **extra: str
) -> Iterator[list[WorkerUnderTest]]:
    """A scheduler and workers, with a history of so many days queued."""
    start = market_day(timezone.now()) - dt.timedelta(days=days)
    settings = {
        **WORKERS,
        "DJANGO_SETTINGS_MODULE": "stocksync.settings",
        "TUSHARE_BASE_URL": sandbox.url,
        "SYNC_DAILY_HISTORY_BATCH_SIZE": str(SHARD_DATES),
        "SYNC_HISTORY_WORKERS": str(workers),
        **extra,
    }
    with ExitStack() as stack:
        started = [
            stack.enter_context(WorkerUnderTest(url, folder / f"worker-{number}", **settings))
            for number in range(workers)
        ]
        ExecutionLogFactory(queued=True, job_id=JOB, job_kwargs={"start": f"{start:%Y%m%d}"})
        stack.enter_context(SchedulerUnderTest(url, folder / "scheduler", **settings))
        yield started


def logs(workers: list[WorkerUnderTest]) -> str:
    return "\n".join(worker.log[-3000:] for worker in workers)


def ended(attempt: int = 1) -> ExecutionLog | None:
    done = ExecutionLog.objects.filter(job_id=JOB, attempt=attempt)
    return done.exclude(status__in=[Status.QUEUED, Status.RUNNING]).first()


def coordinator() -> int | None:
    """The process that runs the job itself."""
    running = ExecutionLog.objects.filter(job_id=JOB, status=Status.RUNNING, handed_over_at=None)
    execution = running.select_related("process").first()
    return execution.process.pid if execution is not None and execution.process else None


def shards_by_owner() -> Counter[object]:
    return Counter(SyncShard.objects.filter(owner__isnull=False).values_list("owner", flat=True))


def check_that_everything_is_held_once(sandbox: Sandbox) -> None:
    """Each day of each dataset is good, with the rows of the source, and was committed once."""
    for dataset in BY_DATE:
        entries = SyncLedger.objects.filter(dataset=dataset.name, state__in=GOOD_STATES)
        assert not SyncLedger.objects.filter(dataset=dataset.name).exclude(state__in=GOOD_STATES)
        for entry in entries:
            _fields, items = sandbox.truth(dataset.name, trade_date=entry.cell)
            held = count_of_cell(dataset, Cell(entry.cell, entry.cell_date))
            assert held == entry.received_rows == len(items), f"{dataset.name} {entry.cell}"


def test_a_killed_helper_loses_nothing_and_no_call_of_any_engine_is_refused(
    url: str, tmp_path: Path
) -> None:
    with (
        Sandbox(
            GeneratedMarket(companies=30),
            quota=Quota(CALLS),
            minute_seconds=WINDOW_SECONDS,
            latency_ms=30,
        ) as sandbox,
        history(url, sandbox, tmp_path, workers=2, days=75, **QUOTA) as workers,
    ):
        assert eventually(lambda: len(shards_by_owner()) == 2, 30), logs(workers)
        own = coordinator()
        (helper,) = [worker for worker in workers if worker.pid != own]
        os.kill(helper.pid, signal.SIGKILL)
        assert eventually(ended, 60), logs(workers)
        check_that_everything_is_held_once(sandbox)
        assert sandbox.refused == Counter()
    execution = ended()
    assert execution is not None and execution.status == Status.SUCCESS, execution
    task = SyncTask.objects.get(job_type=JOB)
    assert task.status == TaskStatus.COMPLETED
    assert not SyncShard.objects.exclude(state=ShardState.DONE).exists()
    assert task.current_offset == task.expected_cells


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_four_workers_share_a_quota_for_long(url: str, tmp_path: Path) -> None:
    with (
        Sandbox(
            GeneratedMarket(companies=30),
            quota=Quota(CALLS),
            minute_seconds=WINDOW_SECONDS,
            latency_ms=30,
        ) as sandbox,
        history(url, sandbox, tmp_path, workers=4, days=1500, **QUOTA) as workers,
    ):
        assert eventually(ended, 500), logs(workers)
        check_that_everything_is_held_once(sandbox)
        assert sandbox.refused == Counter()
        assert len(shards_by_owner()) == 4
    execution = ended()
    assert execution is not None and execution.status == Status.SUCCESS, execution


@pytest.mark.parametrize("copies", [None, 5], ids=["anywhere", "in_a_copy"])
def test_an_engine_that_was_frozen_and_revived_commits_no_cell_of_its_shard_again(
    settings: Settings, copies: int | None
) -> None:
    JobConfig.objects.all().delete()
    with Sandbox(GeneratedMarket(companies=30), quota=0, latency_ms=20) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        task = laid_out(days=25)
        with engine(task, sandbox, copies) as frozen, engine(task, sandbox) as other:
            go(frozen)
            if copies is None:
                assert eventually(lambda: SyncLedger.objects.filter(dataset="daily").exists())
                frozen.send_signal(signal.SIGSTOP)
            else:
                # The server waits for the rows, in a statement that no time limit of it ends.
                assert eventually(lambda: is_stopped(frozen))
            go(other)
            assert other.stdout is not None and frozen.stdout is not None
            shards_done = int(other.stdout.readline())
            held = committed()
            frozen.send_signal(signal.SIGCONT)
            assert frozen.stdout.readline(), stderr_of(frozen)
            assert frozen.wait(20) == 0 == other.wait(20)
            assert "action=shard_lost" in stderr_of(frozen)
            assert ("action=end_frozen" in stderr_of(other)) or copies is None
        assert shards_done == SyncShard.objects.filter(task=task).count()
        assert committed() == held
        check_that_everything_is_held_once(sandbox)


def laid_out(*, days: int) -> SyncTask:
    """A running task of the datasets by date, in shards of four dates."""
    end = market_day(timezone.now()) - dt.timedelta(days=1)
    start = end - dt.timedelta(days=days)
    task = tasks.start_task(JOB, now=timezone.now())
    with closing(client_from_settings()) as client:
        Engine(client, guard=OwnGuard(), now=timezone.now).prepare(start, end)
    plans = [plan_range(dataset, start, end, now=timezone.now()) for dataset in BY_DATE]
    shards.lay_out(task, plans, start, end, size=SHARD_DATES)
    return task


@contextmanager
def engine(
    task: SyncTask, sandbox: Sandbox, copies: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    more = [] if copies is None else [str(copies)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.shard_engine", str(task.pk), "1.5", *more],
        cwd=processes.REPOSITORY,
        env=processes.environment(
            DJANGO_SETTINGS_MODULE="stocksync.settings", TUSHARE_BASE_URL=sandbox.url
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def is_stopped(process: subprocess.Popen[str]) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def stderr_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def committed() -> set[tuple[str, str, dt.datetime]]:
    """Every cell with the moment of its last commit."""
    return set(SyncLedger.objects.values_list("dataset", "cell", "updated_at"))
