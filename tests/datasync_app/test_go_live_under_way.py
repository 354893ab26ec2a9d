"""Dropping generated data while a run is under way: nothing of it is readable afterwards."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from datasync_app.datasets import DAILY
from datasync_app.datasets.base import Cell
from datasync_app.engine.drop import drop_generated_data
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import OwnGuard
from datasync_app.errors import TaskLost
from datasync_app.models import Daily, SourceIdentity, SyncLedger, SyncTask, TaskStatus
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from tests.datasync_app.factories import SyncTaskFactory

pytestmark = pytest.mark.django_db

START, END = dt.date(2020, 1, 6), dt.date(2020, 1, 10)


def test_it_refuses_while_a_sync_is_running(source: Sandbox) -> None:
    call_command("sync", "daily", "--start", "20200106", "--end", "20200106", verbosity=0)
    live = SyncTaskFactory.create(updated_at=timezone.now())
    with pytest.raises(CommandError, match=f"Task {live.pk} .* is running.* stop `make run` first"):
        call_command("go_live", "--yes")
    assert Daily.objects.exists()


def test_a_run_whose_task_was_dropped_stores_nothing_more(source: Sandbox) -> None:
    def drop(report: DatasetReport, cell: Cell, task: SyncTask) -> None:
        if report.dataset == "daily" and Daily.objects.exists():
            # As if it had been silent for too long, and go_live came.
            SyncTask.objects.update(status=TaskStatus.FAILED)
            drop_generated_data(now=timezone.now())

    with pytest.raises(TaskLost), open_session("sync", OwnGuard(), on_cell=drop) as session:
        session.engine.prepare(START, END)
        session.engine.sync_dates(DAILY, START, END)
    assert not Daily.objects.exists()
    assert not SyncLedger.objects.exists()
    assert not SourceIdentity.objects.exists()


def test_a_run_whose_task_was_closed_commits_no_cell(source: Sandbox) -> None:
    with pytest.raises(TaskLost), open_session("sync", OwnGuard()) as session:
        session.engine.prepare(START, END)
        SyncTask.objects.update(status=TaskStatus.FAILED)
        session.engine.sync_dates(DAILY, START, END)
    assert not Daily.objects.exists()
    assert SyncTask.objects.get().status == TaskStatus.FAILED


def test_syncing_the_stock_list_by_hand_always_asks(source: Sandbox) -> None:
    for _ in range(2):
        call_command("sync", "stock_basic", verbosity=0)
    assert [name for name, _params in source.requests].count("stock_basic") == 8
