"""A run that waits is alive: its task shows it, and nobody replaces it."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from itertools import pairwise

import pytest
from django.db import connection
from pytest_django import Settings

from datasync_app.dates import SHANGHAI
from datasync_app.engine import tasks
from datasync_app.engine.guard import OwnGuard
from datasync_app.engine.prerequisites import PREREQUISITES_LOCK
from datasync_app.errors import TaskAlreadyRunning
from datasync_app.models import SyncTask
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from datasync_app.tushare.client import TushareClient
from tests.datasync_app.clock import Clock

pytestmark = pytest.mark.django_db

JOB = "sync_stock_basic"
A_LOOK = dt.timedelta(seconds=40)
LOOKS = 24


class Enough(Exception):
    pass


def test_the_task_of_a_run_that_waits_moves_every_minute_and_is_not_replaced(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.SYNC_TASK_STALE_TIMEOUT_MINUTES = 10
    clock = Clock(dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI))
    moved: list[dt.datetime] = []

    class Waiting(OwnGuard):
        """Each time that the run looks whether it may go on, some seconds have passed."""

        def checkpoint(self) -> None:
            moved.append(SyncTask.objects.get().updated_at)
            if len(moved) == LOOKS:
                with pytest.raises(TaskAlreadyRunning):
                    tasks.start_task(JOB, now=clock())
                raise Enough
            clock.now += A_LOOK

    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PREREQUISITES_LOCK])
        client = TushareClient("a-token", sandbox.url)
        with (
            pytest.raises(Enough),
            open_session(JOB, Waiting(), client=client, now=clock) as session,
        ):
            session.engine.refresh_stock_list()
        client.close()
    assert clock.now - moved[0] > dt.timedelta(minutes=15)
    steps = [after - before for before, after in pairwise(moved)]
    assert max(steps) <= dt.timedelta(seconds=60) + A_LOOK
    assert not sandbox.requests
