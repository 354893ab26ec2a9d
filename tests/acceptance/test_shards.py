"""Engines in processes of their own on the shards of one history, frozen, killed and under one quota."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.utils import timezone

from datasync_app.datasets import DAILY_DATASETS
from datasync_app.datasets.base import Cell
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import market_day
from datasync_app.engine.held import count_of_cell
from datasync_app.models import GOOD_STATES, ShardState, SyncLedger, SyncShard, SyncTask, TaskStatus
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import ExecutionLog, JobConfig, Status
from tests.acceptance.runscheduler import SchedulerUnderTest, WorkerUnderTest
from tests.acceptance.worker_tables import WORKERS, worker_tables
from tests.datasync_app.factories import empty_the_quota_tables
from tests.factories import ExecutionLogFactory
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

BY_DATE = [dataset for dataset in DAILY_DATASETS if isinstance(dataset.cut, ByTradeDate)]
JOB = "sync_daily_history"
SHARD_DATES = 4


@pytest.fixture
def url() -> Iterator[str]:
    JobConfig.objects.all().delete()
    empty_the_quota_tables()
    with worker_tables() as url:
        yield url
    empty_the_quota_tables()


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


def test_a_killed_helper_loses_nothing_and_another_takes_its_shard_up(
    url: str, tmp_path: Path
) -> None:
    with (
        Sandbox(GeneratedMarket(companies=30), quota=0, latency_ms=30) as sandbox,
        history(url, sandbox, tmp_path, workers=2, days=150) as workers,
    ):
        assert eventually(lambda: len(shards_by_owner()) == 2, 30), logs(workers)
        own = coordinator()
        (helper,) = [worker for worker in workers if worker.pid != own]
        os.kill(helper.pid, signal.SIGKILL)
        assert eventually(ended, 60), logs(workers)
        check_that_everything_is_held_once(sandbox)
    execution = ended()
    assert execution is not None and execution.status == Status.SUCCESS, execution
    task = SyncTask.objects.get(job_type=JOB)
    assert task.status == TaskStatus.COMPLETED
    assert not SyncShard.objects.exclude(state=ShardState.DONE).exists()
    assert task.current_offset == task.expected_cells
