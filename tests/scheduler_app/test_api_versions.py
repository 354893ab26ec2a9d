"""What a schedule was, who changed it, the way back, and its end: by the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import CHANGE, JOB, logged_in, post, registered

pytestmark = pytest.mark.django_db

ADDRESS = f"/api/scheduler/jobs/{JOB}"


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        JobConfigFactory.create(job_id=JOB, job_name="Example")
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(CHANGE, "delete_jobconfig")


def edited(client: Client, cron: str) -> None:
    assert post(client, f"{ADDRESS}/schedule", {"cron_expression": cron}).status_code == 200


def kept(client: Client) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = client.get(f"{ADDRESS}/versions").json()["results"]
    return results


def test_versions_say_who_changed_what(client: Client) -> None:
    edited(client, "0 3 * * *")
    newest, first = kept(client)
    assert (newest["who"], newest["kind"]) == (f"staff-{CHANGE}-delete_jobconfig", "changed")
    assert newest["at"].endswith("+08:00")
    assert (newest["is_current"], first["is_current"]) == (True, False)
    assert newest["changes"] == [
        {
            "field": "cron_expression",
            "title": "cron expression",
            "before": "0 18 * * *",
            "after": "0 3 * * *",
        }
    ]
    assert (first["who"], first["kind"], first["changes"]) == ("", "created", [])


def test_a_job_without_a_schedule_has_no_version(client: Client) -> None:
    JobConfig.objects.all().delete()
    assert kept(client) == []
    answer = client.get("/api/scheduler/jobs/nonsense/versions")
    assert answer.status_code == 404


def test_a_schedule_goes_back_to_a_version(client: Client) -> None:
    edited(client, "0 3 * * *")
    first = kept(client)[-1]["id"]
    answer = post(client, f"{ADDRESS}/revert", {"version": first})
    assert (answer.status_code, answer.json()["cron_expression"]) == (200, "0 18 * * *")
    assert answer.headers["ETag"] == client.get(ADDRESS).headers["ETag"]
    newest = kept(client)[0]
    assert (newest["why"], newest["is_current"]) == (f"back to version {first}", True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"version": 0}, "has no version 0"),
        ({"version": 2**31}, "it takes the id of a version"),
        ({"version": True}, "it takes the id of a version"),
        ({"version": "1"}, "it takes the id of a version"),
        ({}, "it takes the id of a version"),
    ],
)
def test_a_version_that_is_none_is_refused(client: Client, body: object, words: str) -> None:
    answer = post(client, f"{ADDRESS}/revert", body)
    assert answer.status_code == 400
    (sentence,) = answer.json()["errors"]["version"]
    assert words in sentence
    assert JobConfig.objects.get(job_id=JOB).cron_expression == "0 18 * * *"


def test_nobody_goes_back_over_what_somebody_else_changed(client: Client) -> None:
    tag = client.get(ADDRESS).headers["ETag"]
    edited(client, "0 3 * * *")
    first = kept(client)[-1]["id"]
    body = {"version": first}
    assert post(client, f"{ADDRESS}/revert", body, headers={"If-Match": tag}).status_code == 412
    assert JobConfig.objects.get(job_id=JOB).cron_expression == "0 3 * * *"


def test_a_schedule_is_switched_on_as_it_is_stored(client: Client) -> None:
    post(client, f"{ADDRESS}/stop")
    answer = post(client, f"{ADDRESS}/enable")
    assert (answer.status_code, answer.json()["enabled"]) == (200, True)
    JobConfig.objects.filter(job_id=JOB).update(enabled=False, cron_expression="0 0 31 2 *")
    answer = post(client, f"{ADDRESS}/enable")
    assert answer.status_code == 400
    assert "never fires" in answer.json()["errors"]["cron_expression"][0]
    assert not JobConfig.objects.get(job_id=JOB).enabled


def test_a_schedule_is_deleted_and_its_executions_stay(client: Client) -> None:
    waits = ExecutionLogFactory.create(job_id=JOB, queued=True, caused_by=Cause.SCHEDULE)
    ran = ExecutionLogFactory.create(job_id=JOB, attempt=2)
    assert client.delete(ADDRESS).status_code == 204
    assert not JobConfig.objects.filter(job_id=JOB).exists()
    waits.refresh_from_db()
    assert waits.status == Status.CANCELLED
    assert ExecutionLog.objects.filter(pk=ran.pk).exists()
    assert client.get(ADDRESS).json()["enabled"] is False
    assert client.delete(ADDRESS).status_code == 409
    assert client.delete("/api/scheduler/jobs/nonsense").status_code == 404
