"""The health check, the scheduler's status, a database that is away, and the schema."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from tests.factories import JobConfigFactory, SchedulerProcessFactory
from tests.scheduler_app.web import JOB, account, database_away, logged_in, scheduler_runs

STATUS = "/api/scheduler/status"


@pytest.mark.django_db
def test_it_is_well_while_a_scheduler_beats() -> None:
    scheduler_runs()
    for path in ("/healthz", "/healthz/"):
        answer = Client().get(path)
        assert answer.status_code == 200
        assert answer.json().items() >= {
            "status": "ok", "web": "ok", "database": "ok", "scheduler": "ok",
        }.items()  # fmt: skip


@pytest.mark.django_db
def test_it_is_not_well_without_a_scheduler() -> None:
    SchedulerProcessFactory.create(heartbeat_at=timezone.now() - dt.timedelta(minutes=5))
    answer = Client().get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["scheduler"] == "down"
    assert answer.json()["heartbeat_age_seconds"] >= 300


@pytest.mark.django_db(transaction=True)
def test_it_says_that_the_database_is_away() -> None:
    _row, token = AuthToken.objects.create(account())
    with database_away():
        health = Client().get("/healthz")
        jobs = Client().get("/api/scheduler/jobs", headers={"Authorization": f"Token {token}"})
    assert health.status_code == 503
    assert health.json()["database"] == "down"
    assert "Traceback" not in health.content.decode()
    assert jobs.status_code == 503
    assert jobs.headers["Content-Type"] == "application/problem+json"
    assert jobs.headers["Retry-After"]
    assert jobs.json()["detail"] == "The database cannot be reached. Try again in a few seconds."


@pytest.mark.django_db
def test_it_tells_the_status_without_a_scheduler() -> None:
    status = logged_in().get(STATUS).json()
    assert status["active"] is None
    assert status["next_runs"] == []


@pytest.mark.django_db
def test_it_tells_what_the_scheduler_has_loaded() -> None:
    scheduler_runs()
    JobConfigFactory.create(job_id=JOB)
    status = logged_in().get(STATUS).json()
    assert status["active"] == {"host": "testhost", "pid": 4711}
    assert status["heartbeat_age_seconds"] < 5
    assert status["revision_applied"] == status["revision_wanted"] - 1
    assert status["next_runs"] == [{"job_id": JOB, "at": "2026-03-02T18:00:00+08:00"}]


def test_the_schema_is_valid_and_complete(tmp_path: object) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", f"{tmp_path}/schema.yaml")


@pytest.mark.django_db
def test_the_page_to_try_the_api_needs_nothing_from_elsewhere() -> None:
    client = logged_in()
    page = client.get("/api/docs/").content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert all(address.startswith("/static/") for address in addresses)
    assert all(finders.find(address.removeprefix("/static/")) for address in addresses)
