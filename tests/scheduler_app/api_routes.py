"""Every route of the API: what it is asked with, who may, and the rows that it is about."""

from __future__ import annotations

from django.contrib.auth.models import User
from knox.models import AuthToken

from datasync_app.datasets import DATASETS
from datasync_app.models import (
    CellState,
    EndpointAccess,
    SyncFailureRecord,
    SyncLedger,
    SyncTask,
    TaskStatus,
)
from scheduler_app.models import ExecutionLog, JobConfig, Notification, NotificationChannel
from tests.datasync_app.factories import (
    EndpointAccessFactory,
    FailureFactory,
    LedgerFactory,
    StockBasicFactory,
    SyncTaskFactory,
)
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import CHANGE, JOB, PAUSE, TRIGGER
from tests.webhook import channel

S = "/api/scheduler"
READS = [
    "/metrics",
    f"{S}/status",
    f"{S}/jobs",
    f"{S}/jobs/{JOB}",
    f"{S}/jobs/{JOB}/versions",
    f"{S}/executions",
    f"{S}/preview?cron_expression=0+18+*+*+*",
    f"{S}/executions/1",
    f"{S}/executions/1/log",
    "/api/sync/tasks",
    "/api/sync/tasks/1",
    "/api/sync/coverage?dataset=stock_basic",
    "/api/sync/report?start=20200101&end=20200110&dataset=stock_basic",
    "/api/sync/cells",
    "/api/sync/restatements",
    "/api/sync/quarantine",
    "/api/sync/failures",
    "/api/tushare/accounts",
    "/api/tushare/calls",
    "/api/tushare/days",
    "/api/tushare/endpoints",
    "/api/sync/cells/daily/20200109",
    "/api/notifications/channels",
    "/api/notifications/channels/11",
    "/api/notifications/messages",
    "/api/doctor",
    "/api/tokens",
    "/api/data",
    "/api/stocks",
    "/api/stocks/600000.SH/bars",
    *(f"/api/data/{name}" for name in DATASETS),
    "/api/schema/",
    "/api/docs/",
]
DECIDE = "change_syncledger"
ADD_CHANNEL = "add_notificationchannel"
CHANGE_CHANNEL = "change_notificationchannel"
DELETE_CHANNEL = "delete_notificationchannel"
LIMIT = "change_endpointaccess"
VERSION = 77
SCHEDULE = {"cron_expression": "0 18 * * *"}
CHANNEL = {"name": "another", "address": "json://127.0.0.1:9/secret"}
CELL = "/api/sync/cells/daily/20200109"
# method, route, body, the permissions that it needs, the status of success
WRITES = [
    ("post", f"{S}/jobs/{JOB}/schedule", SCHEDULE, (CHANGE,), 200),
    ("post", f"{S}/jobs/{JOB}/start", {"interval_seconds": 60}, (CHANGE,), 200),
    ("post", f"{S}/jobs/{JOB}/pause", {"reason": "moving"}, (PAUSE,), 200),
    ("post", f"{S}/jobs/{JOB}/resume", {}, (PAUSE,), 200),
    ("post", f"{S}/jobs/{JOB}/stop", {}, (CHANGE,), 200),
    ("post", f"{S}/jobs/{JOB}/enable", {}, (CHANGE,), 200),
    ("post", f"{S}/jobs/{JOB}/revert", {"version": VERSION}, (CHANGE,), 200),
    ("delete", f"{S}/jobs/{JOB}", None, ("delete_jobconfig",), 204),
    ("post", f"{S}/jobs/{JOB}/trigger", {}, (TRIGGER,), 202),
    ("post", f"{S}/executions/1/again", {}, (TRIGGER,), 202),
    ("post", f"{S}/executions/2/cancel", {}, (TRIGGER,), 202),
    ("post", "/api/sync/tasks/1/pause", {}, (TRIGGER,), 200),
    ("post", "/api/sync/tasks/2/resume", {}, (TRIGGER,), 200),
    ("post", "/api/sync/tasks/1/cancel", {}, (TRIGGER,), 200),
    ("post", "/api/sync/daily-history", {}, (TRIGGER,), 202),
    ("post", "/api/sync/finance-history", {}, (TRIGGER,), 202),
    ("post", f"{CELL}/accept", {"reason": "so it is"}, (DECIDE,), 200),
    ("post", f"{CELL}/ask-again", {}, (DECIDE,), 200),
    ("post", f"{CELL}/repair", {}, (DECIDE, TRIGGER), 202),
    ("post", "/api/sync/failures/1/try-again", {}, ("change_syncfailurerecord",), 200),
    ("patch", "/api/tushare/endpoints/1", {"set_limit": 100}, (LIMIT,), 200),
    ("post", "/api/tushare/endpoints/1/forget", {}, (LIMIT,), 200),
    ("post", "/api/notifications/channels", CHANNEL, (ADD_CHANNEL,), 201),
    ("patch", "/api/notifications/channels/11", {"on_change": False}, (CHANGE_CHANNEL,), 200),
    ("delete", "/api/notifications/channels/11", None, (DELETE_CHANNEL,), 204),
    ("post", "/api/tokens", {}, ("add_authtoken",), 201),
    ("delete", "/api/tokens/0123abcd", None, ("delete_authtoken",), 204),
    ("post", "/api/notifications/channels/11/test", {}, (CHANGE_CHANNEL,), 202),
]


def hold_rows() -> None:
    """What the routes name; the jobs of the tests must be registered."""
    config = JobConfigFactory.create(job_id=JOB)
    config.save()
    config.history.update(history_id=VERSION)
    ExecutionLogFactory.create(id=1, job_id=JOB)
    ExecutionLogFactory.create(id=2, job_id=JOB, queued=True, attempt=2)
    StockBasicFactory.create(ts_code="600000.SH")
    channel(id=11)
    AuthToken.objects.create(User.objects.create(username="somebody"))
    AuthToken.objects.update(token_key="0123abcd4567890")
    SyncTaskFactory.create(id=1, job_type="sync_stock_basic")
    LedgerFactory.create(state=CellState.PARTIAL)
    FailureFactory.create(id=1)
    EndpointAccessFactory.create(id=1)
    SyncTaskFactory.create(id=2, status=TaskStatus.PAUSED)


def state() -> list[object]:
    """What a change would change."""
    tables = (
        JobConfig,
        SyncTask,
        SyncLedger,
        ExecutionLog,
        NotificationChannel,
        Notification,
        SyncFailureRecord,
        EndpointAccess,
        AuthToken,
    )
    return [row for table in tables for row in table.objects.order_by("pk").values()]
