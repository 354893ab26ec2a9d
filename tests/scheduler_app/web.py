"""What the tests of the API and the admin share: a job to play with, and people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client

from scheduler_app.models import ScheduleRevision, SchedulerProcess
from scheduler_app.registry import registry
from scheduler_app.run import Run
from tests.factories import LeaseFactory, SchedulerProcessFactory

JOB = "example_job"
CHANGE = "change_jobconfig"
PAUSE = "pause_jobconfig"
TRIGGER = "trigger_jobconfig"
VIEW = "view_jobconfig"
VIEW_EXECUTIONS = "view_executionlog"


def example(run: Run, start: dt.date | None = None, days: int = 5) -> None:
    """Does nothing, for tests."""


@contextmanager
def registered(job_id: str = JOB) -> Iterator[str]:
    """The job is registered inside, and forgotten afterwards."""
    registry.register(job_id, name="Example", not_built="The hard part is not built.")(example)
    try:
        yield job_id
    finally:
        del registry._jobs[job_id]


def account(*permissions: str, staff: bool = True, superuser: bool = False) -> User:
    """A user with these permissions of the scheduler; the name says which."""
    name = "-".join(("superuser" if superuser else "staff" if staff else "plain", *permissions))[
        :150
    ]
    user = User.objects.create(username=name, is_staff=staff or superuser, is_superuser=superuser)
    for codename in permissions:
        user.user_permissions.add(Permission.objects.get(codename=codename))
    return user


def logged_in(*permissions: str, staff: bool = True, superuser: bool = False) -> Client:
    client = Client()
    client.force_login(account(*permissions, staff=staff, superuser=superuser))
    return client


def post(client: Client, path: str, body: object = None, **headers: Any) -> Any:
    return client.post(path, body, content_type="application/json", **headers)


def scheduler_runs(*, applied: int | None = None) -> SchedulerProcess:
    """An active scheduler that beats now and has applied a revision, by default the current."""
    current = ScheduleRevision.objects.values_list("value", flat=True).first() or 0
    process: SchedulerProcess = SchedulerProcessFactory.create(
        host="testhost",
        pid=4711,
        revision_applied=current if applied is None else applied,
        next_runs=[{"job_id": JOB, "at": "2026-03-02T18:00:00+08:00"}],
    )
    LeaseFactory.create(process=process)
    return process


@contextmanager
def database_away() -> Iterator[None]:
    """New connections of this thread find no server inside."""
    connection = connections["default"]
    settings = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(HOST="/nowhere", PORT="")
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(settings)
