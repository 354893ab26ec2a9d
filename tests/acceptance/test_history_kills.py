"""SIGKILL at any moment of a history sync: nothing is marked good without its rows, nothing is lost."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest
from django.utils import timezone

from datasync_app.datasets import DAILY_DATASETS
from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import market_day
from datasync_app.engine.held import count_of_cell, rows_of_cell
from datasync_app.engine.rows import typed_rows
from datasync_app.models import GOOD_STATES, SyncLedger
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import ExecutionLog, Status
from tests.processes import environment
from tests.waiting import eventually
from tests.warm import process as warm

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

BY_DATE = [dataset for dataset in DAILY_DATASETS if isinstance(dataset.cut, ByTradeDate)]
JOB = "sync_daily_history"
COMPANIES = 30
# The child is killed so many milliseconds after an answer, at most.
MOST_MILLISECONDS = 20


class Runner:
    """The program with the child that it runs now."""

    def __init__(self, stdin: IO[str], stdout: IO[str]) -> None:
        self._stdin, self._stdout = stdin, stdout

    def start(self) -> int:
        """A new run; its process id."""
        self._stdin.write("\n")
        self._stdin.flush()
        return int(self._stdout.readline())

    def end(self) -> str:
        """How the run ended."""
        return self._stdout.readline().strip()


@contextmanager
def runner(sandbox: Sandbox, start: dt.date) -> Iterator[Runner]:
    program = warm.Process(
        *("-m", "tests.acceptance.killable_sync", JOB, f"{start:%Y%m%d}"),
        env=environment(TUSHARE_BASE_URL=sandbox.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with program:
        assert program.stdin and program.stdout
        yield Runner(program.stdin, program.stdout)


def asked(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Endpoint and trade date of every call that had one, as they came."""
    names = {dataset.name for dataset in BY_DATE}
    return [
        (name, params["trade_date"])
        for name, params in sandbox.requests
        if name in names and "trade_date" in params
    ]


def wait_for_calls(sandbox: Sandbox, enough: int) -> None:
    eventually(lambda: len(asked(sandbox)) >= enough)


def good_cells() -> set[tuple[str, str]]:
    good = SyncLedger.objects.filter(
        dataset__in=[dataset.name for dataset in BY_DATE], state__in=GOOD_STATES
    )
    return set(good.values_list("dataset", "cell"))


def check_that_rows_and_ledger_agree() -> None:
    for dataset in BY_DATE:
        entries = SyncLedger.objects.filter(dataset=dataset.name)
        held = {
            entry.cell: entry.received_rows
            for entry in entries
            if count_of_cell(dataset, Cell(entry.cell, entry.cell_date)) != entry.received_rows
        }
        assert not held, f"{dataset.name}: the ledger counts other rows than are held of {held}"
        dates = dataset.model._default_manager.values_list("trade_date", flat=True).distinct()
        known = set(entries.values_list("cell_date", flat=True))
        assert set(dates) <= known, f"{dataset.name} has rows of dates that the ledger lacks"


def check_that_it_equals(sandbox: Sandbox, dataset: Dataset, entry: SyncLedger) -> None:
    fields, items = sandbox.truth(dataset.name, trade_date=entry.cell)
    held = rows_of_cell(dataset, Cell(entry.cell, entry.cell_date))
    told = typed_rows(dataset, fields, items)
    assert set(held.rows) == set(told.rows), f"{dataset.name} {entry.cell}"
    assert len(held) == len(told)


def close_what_was_killed() -> None:
    """As the scheduler does when it finds that the process of an execution is gone."""
    ExecutionLog.objects.filter(status=Status.RUNNING).update(
        status=Status.FAILED, finished_at=timezone.now()
    )


def survive(*, kills: int, days: int, answers: int) -> None:
    """Kill a history of so many days so many times, each time after 1 to `answers` more answers."""
    chance, moment = random.Random(kills), threading.Event()
    start = market_day(timezone.now()) - dt.timedelta(days=days)
    with (
        Sandbox(GeneratedMarket(companies=COMPANIES), quota=0) as sandbox,
        runner(sandbox, start) as program,
    ):
        finished: list[tuple[int, set[tuple[str, str]]]] = []
        for _ in range(kills):
            child = program.start()
            wait_for_calls(sandbox, len(asked(sandbox)) + chance.randint(1, answers))
            moment.wait(chance.randrange(MOST_MILLISECONDS) / 1000)
            os.kill(child, signal.SIGKILL)
            assert program.end() == "signal 9", "the history was over before it could be killed"
            finished.append((len(asked(sandbox)), good_cells()))
            check_that_rows_and_ledger_agree()
            close_what_was_killed()
        assert len(finished[-1][1]) > 0

        program.start()
        assert program.end() == "exit 0", ExecutionLog.objects.latest("id").error_message
        calls = asked(sandbox)
        for so_far, good in finished:
            assert not good & set(calls[so_far:]), "a finished cell was fetched again"
        check_that_rows_and_ledger_agree()
        for dataset in BY_DATE:
            entries = SyncLedger.objects.filter(dataset=dataset.name)
            assert {entry.state for entry in entries} <= set(GOOD_STATES)
            for entry in entries:
                check_that_it_equals(sandbox, dataset, entry)


def test_a_history_that_is_killed_twice_goes_on_where_it_was() -> None:
    survive(kills=2, days=30, answers=30)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_history_that_is_killed_fifty_times_loses_and_doubles_nothing() -> None:
    survive(kills=50, days=300, answers=20)
