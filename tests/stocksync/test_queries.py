"""A longer list asks the database nothing more: every list of the API, and of the admin's other tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from knox.models import AuthToken

from datasync_app.models import SyncQuarantine, SyncRestatement, TaskStatus
from scheduler_app.models import Status
from scheduler_app.notifications.messages import write_test
from tests.datasync_app.factories import (
    NOW,
    EndpointAccessFactory,
    FailureFactory,
    LedgerFactory,
    StockBasicFactory,
    SyncTaskFactory,
    TushareCallFactory,
)
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import logged_in, registered
from tests.webhook import channel

pytestmark = pytest.mark.django_db

LISTS = (
    "/api/scheduler/executions",
    "/api/scheduler/jobs",
    "/api/scheduler/status",
    "/api/notifications/channels",
    "/api/notifications/messages",
    "/api/tokens",
    "/api/stocks",
    "/api/sync/tasks",
    "/api/sync/cells",
    "/api/sync/restatements",
    "/api/sync/quarantine",
    "/api/sync/failures",
    "/api/tushare/calls",
    "/api/tushare/days",
    "/api/tushare/endpoints",
    "/admin/scheduler_app/executionlog/",
    "/admin/scheduler_app/notificationchannel/",
    "/admin/scheduler_app/notification/",
    "/admin/knox/authtoken/",
    "/admin/auth/user/",
    "/admin/auth/group/",
)


def hold(numbers: range) -> None:
    for number in numbers:
        job_id = f"job_of_{number}"
        JobConfigFactory.create(job_id=job_id)
        ExecutionLogFactory.create(job_id=job_id, status=Status.FAILED, error_message="It broke.")
        SyncTaskFactory.create(job_type=job_id, status=TaskStatus.COMPLETED)
        LedgerFactory.create(cell_date=dt.date(2020, 1, 1) + dt.timedelta(days=number))
        FailureFactory.create(code=f"{number}")
        StockBasicFactory.create()
        EndpointAccessFactory.create(api_name=f"api_{number}")
        TushareCallFactory.create(api_name=f"api_{number}")
        of_row = {
            "dataset": "daily",
            "cell": "20200109",
            "key": {"ts_code": f"{number}"},
            "at": NOW,
        }
        SyncQuarantine.objects.create(**of_row, row={}, rules="high", last_seen_at=NOW)
        SyncRestatement.objects.create(**of_row, kind="value", column="close", old=1, new=2)
        write_test(channel(name=f"team {number}"))
        user = User.objects.create(username=f"user {number}")
        user.groups.add(Group.objects.create(name=f"group {number}"))
        AuthToken.objects.create(user)


@pytest.fixture
def client() -> Iterator[Client]:
    with registered():
        yield logged_in(superuser=True)


def test_no_list_asks_more_for_more_rows(client: Client) -> None:
    asked: list[dict[str, int]] = []
    for numbers in (range(3), range(3, 15)):
        hold(numbers)
        asked.append({})
        for path in LISTS:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200, path
            asked[-1][path] = len(queries)
    few, many = asked
    assert {path: many[path] - few[path] for path in LISTS if many[path] > few[path]} == {}
    assert max(few.values()) <= 20
