"""Who may do what, over every route."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver
from knox.models import AuthToken

from datasync_app.datasets import DATASETS
from datasync_app.models import CellState, SyncLedger, SyncTask, TaskStatus
from scheduler_app.models import ExecutionLog, JobConfig
from tests.datasync_app.factories import LedgerFactory, StockBasicFactory, SyncTaskFactory
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import (
    CHANGE,
    JOB,
    PAUSE,
    TRIGGER,
    account,
    logged_in,
    post,
    registered,
)
from tests.webhook import channel

pytestmark = pytest.mark.django_db

S = "/api/scheduler"
READS = [
    "/metrics",
    f"{S}/status",
    f"{S}/jobs",
    f"{S}/jobs/{JOB}",
    f"{S}/executions",
    f"{S}/preview?cron_expression=0+18+*+*+*",
    f"{S}/executions/1",
    "/api/sync/tasks",
    "/api/sync/tasks/1",
    "/api/sync/coverage?dataset=stock_basic",
    "/api/sync/cells/daily/20200109",
    "/api/notifications/channels",
    "/api/notifications/channels/1",
    "/api/data",
    "/api/stocks",
    "/api/stocks/600000.SH/bars",
    *(f"/api/data/{name}" for name in DATASETS),
    "/api/schema/",
    "/api/docs/",
]
DECIDE = "change_syncledger"
CHANGE_CHANNEL = "change_notificationchannel"
SCHEDULE = {"cron_expression": "0 18 * * *"}
# route, body, the permission it needs, the status of success
WRITES = [
    (f"{S}/jobs/{JOB}/schedule", SCHEDULE, CHANGE, 200),
    (f"{S}/jobs/{JOB}/start", {"interval_seconds": 60}, CHANGE, 200),
    (f"{S}/jobs/{JOB}/pause", {"reason": "moving"}, PAUSE, 200),
    (f"{S}/jobs/{JOB}/resume", {}, PAUSE, 200),
    (f"{S}/jobs/{JOB}/stop", {}, CHANGE, 200),
    (f"{S}/jobs/{JOB}/trigger", {}, TRIGGER, 202),
    (f"{S}/executions/2/cancel", {}, TRIGGER, 202),
    ("/api/sync/tasks/1/pause", {}, TRIGGER, 200),
    ("/api/sync/tasks/2/resume", {}, TRIGGER, 200),
    ("/api/sync/tasks/1/cancel", {}, TRIGGER, 200),
    ("/api/sync/daily-history", {}, TRIGGER, 202),
    ("/api/sync/cells/daily/20200109/accept", {"reason": "so it is"}, DECIDE, 200),
    ("/api/sync/cells/daily/20200109/ask-again", {}, DECIDE, 200),
    ("/api/sync/finance-history", {}, TRIGGER, 202),
    ("/api/notifications/channels/1/test", {}, CHANGE_CHANNEL, 202),
]
OTHER = {DECIDE: TRIGGER, CHANGE_CHANNEL: TRIGGER, CHANGE: PAUSE, PAUSE: CHANGE, TRIGGER: CHANGE}


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        JobConfigFactory.create(job_id=JOB)
        ExecutionLogFactory.create(id=1, job_id=JOB)
        ExecutionLogFactory.create(id=2, job_id=JOB, queued=True, attempt=2)
        StockBasicFactory.create(ts_code="600000.SH")
        channel(id=1)
        SyncTaskFactory.create(id=1, job_type="sync_stock_basic")
        LedgerFactory.create(state=CellState.PARTIAL)
        SyncTaskFactory.create(id=2, status=TaskStatus.PAUSED)
        yield


def state() -> list[object]:
    """What a change would change."""
    return [
        *JobConfig.objects.values(),
        *SyncTask.objects.values(),
        *SyncLedger.objects.values(),
        *ExecutionLog.objects.values(),
    ]


def anonymous() -> Client:
    return Client()


def plain() -> Client:
    return logged_in(CHANGE, PAUSE, TRIGGER, staff=False)


def staff() -> Client:
    return logged_in()


def superuser() -> Client:
    return logged_in(superuser=True)


@pytest.mark.parametrize("route", READS)
@pytest.mark.parametrize(
    ("who", "status"), [(anonymous, 401), (plain, 403), (staff, 200), (superuser, 200)]
)
def test_it_lets_staff_read(route: str, who: Callable[[], Client], status: int) -> None:
    answer = who().get(route)
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(("route", "body", "permission", "good"), WRITES)
@pytest.mark.parametrize("who", ["anonymous", "plain", "staff", "other", "permitted", "superuser"])
def test_it_lets_those_change_who_may(
    route: str, body: object, permission: str, good: int, who: str
) -> None:
    client = {
        "anonymous": anonymous,
        "plain": plain,
        "staff": staff,
        "other": lambda: logged_in(OTHER[permission]),
        "permitted": lambda: logged_in(permission),
        "superuser": superuser,
    }[who]()
    before = state()
    expected = {"anonymous": 401, "permitted": good, "superuser": good}.get(who, 403)
    assert post(client, route, body).status_code == expected
    if expected != good:
        assert state() == before


@pytest.mark.parametrize(
    ("who", "status"), [(anonymous, 401), (plain, 403), (staff, 404), (superuser, 404)]
)
def test_only_staff_hear_which_datasets_there_are(who: Callable[[], Client], status: int) -> None:
    assert who().get("/api/data/nonsense").status_code == status


def test_the_table_names_every_route() -> None:
    # `dataapi` speaks Tushare and has its own login; the language is every visitor's own; `doctor` is
    # a page of the admin, for everybody in the staff.
    named = {"schema", "docs", "healthz", "metrics", "dataapi", "set_language", "doctor"} | {
        "status-list", "job-list", "job-detail", "job-schedule", "job-start", "job-stop",
        "job-pause", "job-resume", "job-trigger", "preview-list",
        "execution-list", "execution-detail", "execution-cancel",
        "task-list", "task-detail", "task-pause", "task-resume", "task-cancel",
        "channel-list", "channel-detail", "channel-test",
        "sync-daily-history", "sync-finance-history", "sync-coverage",
        "sync-cell", "sync-cell-accept", "sync-cell-ask-again", "sync-cell-repair",
        # What is unknown is 404 for staff, and no answer at all for others.
        "stocks", "stock-bars", "data", "data-unknown", *(f"data-{name}" for name in DATASETS),
    }  # fmt: skip
    names = {key for key in get_resolver().reverse_dict if isinstance(key, str)}
    assert names == named


def test_it_says_which_permission_is_needed() -> None:
    answer = post(staff(), f"{S}/jobs/{JOB}/trigger")
    assert "scheduler_app.trigger_jobconfig" in answer.json()["detail"]


def test_it_takes_a_token() -> None:
    _row, token = AuthToken.objects.create(account())
    answer = Client().get(f"{S}/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 200


def test_it_refuses_an_expired_token() -> None:
    _row, token = AuthToken.objects.create(account(), expiry=dt.timedelta(seconds=-1))
    answer = Client().get(f"{S}/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header", ["Token", "Token nonsense", "Token a b", "Token \xff\xfe", "Token \0"]
)
def test_it_refuses_a_token_that_is_none(header: str) -> None:
    answer = Client().get(f"{S}/jobs", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_it_refuses_a_session_without_its_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account(CHANGE))
    answer = post(client, f"{S}/jobs/{JOB}/stop")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]
    assert JobConfig.objects.get(job_id=JOB).enabled


def test_it_refuses_an_account_that_was_closed() -> None:
    user = account()
    _row, token = AuthToken.objects.create(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    answer = Client().get(f"{S}/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 401
