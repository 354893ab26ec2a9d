"""The main job on real input: 59 recorded trading days through the real SDK, over HTTP."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasync_app.dates import parse_date
from datasync_app.engine.plan import FIRST_DAYS
from datasync_app.models import GOOD_STATES, Daily, SyncLedger, SyncTask, TaskStatus
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from tests.datasync_app.factories import LedgerFactory
from tests.processes import manage, running
from tests.sample import needs_sample, recorded, recorded_market
from tests.waiting import eventually

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.django_db(transaction=True),
    needs_sample,
]

RECORDED_ROWS = 218_884
RECORDED_DAYS = 59
SPAN = {"start": "20191021", "end": "20200110"}
FEW_DATES = ("20200106", "20200107", "20200108")
FEW_DAYS = {"start": FEW_DATES[0], "end": FEW_DATES[-1]}
PRICES = ("open", "high", "low", "close", "pre_close", "change", "pct_chg", "vol", "amount")


@pytest.fixture
def replay() -> Iterator[Sandbox]:
    with Sandbox(recorded_market()) as server:
        yield server


def daily_calls(replay: Sandbox) -> int:
    return sum(name == "daily" for name, _params in replay.requests)


def good_cells() -> int:
    return SyncLedger.objects.filter(dataset="daily", state__in=GOOD_STATES).count()


def test_sync_daily_stores_the_recorded_days_to_the_last_digit(replay: Sandbox) -> None:
    command = ["sync", "daily", "--start", SPAN["start"], "--end", SPAN["end"]]
    first = manage(*command, cold=True, TUSHARE_BASE_URL=replay.url)
    assert first.returncode == 0, first.stderr
    assert "59 of 59 cells good, 218884 rows" in first.stdout
    assert (Daily.objects.count(), good_cells()) == (RECORDED_ROWS, RECORDED_DAYS)

    stored = {
        (day, code): tuple(prices)
        for day, code, *prices in Daily.objects.values_list("trade_date", "ts_code", *PRICES)
    }
    date = functools.cache(parse_date)
    files = {
        (date(row["trade_date"]), row["ts_code"]): tuple(
            float(row[name]) if row[name] else None for name in PRICES
        )
        for year in ("2019", "2020")
        for row in recorded(f"daily/{year}*.csv.gz")
    }
    assert stored == files

    calls = daily_calls(replay)
    again = manage(*command, TUSHARE_BASE_URL=replay.url)
    assert again.returncode == 0, again.stderr
    assert daily_calls(replay) == calls == RECORDED_DAYS


def test_a_cron_row_fired_by_runscheduler_does_the_same(replay: Sandbox, tmp_path: Path) -> None:
    JobConfig.objects.exclude(job_id="sync_daily_by_date").update(enabled=False)
    # Days that count as held, or the first start would do the work before the cron row fires.
    for day in range(1, FIRST_DAYS + 1):
        LedgerFactory.create(cell_date=dt.date(1999, 1, day), received_rows=0)
    # Every minute: no start is too slow for it.
    JobConfig.objects.filter(job_id="sync_daily_by_date").update(
        cron_expression="* * * * *", job_kwargs=FEW_DAYS
    )
    log = tmp_path / "scheduler.log"
    with running("runscheduler", log=log, TUSHARE_BASE_URL=replay.url):
        assert eventually(_ended, seconds=110), log.read_text()
    execution = ExecutionLog.objects.filter(caused_by=Cause.SCHEDULE).earliest("scheduled_for")
    # Of the other datasets hardly a day is recorded: they stay open, and the run says so.
    assert execution.status == Status.FAILED
    assert execution.error_message.startswith("adj_factor: 0 of 3 cells good")
    rows = sum(1 for date in FEW_DATES for _row in recorded(f"daily/{date}.csv.gz"))
    assert Daily.objects.count() == rows > 11_000
    assert good_cells() == FIRST_DAYS + len(FEW_DATES)
    assert execution.result is not None and execution.result["daily"]["rows"] == rows
    assert SyncTask.objects.get(execution_id=execution.pk).status == TaskStatus.FAILED


def _ended() -> bool:
    return ExecutionLog.objects.filter(caused_by=Cause.SCHEDULE, finished_at__isnull=False).exists()
