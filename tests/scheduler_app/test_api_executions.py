"""Executions over HTTP: the list with its filters, and one in full."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from scheduler_app.models import ExecutionLog, Status, StopRequest
from tests.factories import MONDAY_SIX, ExecutionLogFactory, SchedulerProcessFactory
from tests.scheduler_app.web import JOB, TRIGGER, logged_in, post, registered

pytestmark = pytest.mark.django_db

EXECUTIONS = "/api/scheduler/executions"


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in()


def made(count: int, **fields: Any) -> list[int]:
    return [
        ExecutionLogFactory.create(
            job_id=JOB, scheduled_for=MONDAY_SIX + dt.timedelta(hours=number), **fields
        ).pk
        for number in range(count)
    ]


def listed(client: Client, query: str = "") -> list[int]:
    return [row["id"] for row in client.get(EXECUTIONS + query).json()["results"]]


def test_it_lists_the_newest_twenty_first(client: Client) -> None:
    ids = made(22)
    assert listed(client) == ids[:-21:-1]


def test_it_lists_at_most_a_hundred(client: Client) -> None:
    made(101)
    assert len(listed(client, "?limit=100")) == 100


def test_it_filters_by_job_and_status(client: Client) -> None:
    ExecutionLogFactory.create(status=Status.FAILED)
    (failed,) = made(1, status=Status.FAILED)
    ExecutionLogFactory.create(job_id=JOB, attempt=2)
    assert listed(client, f"?job_id={JOB}&status=FAILED&limit=5") == [failed]


def test_it_filters_by_a_job_that_only_history_knows(client: Client) -> None:
    old = ExecutionLogFactory.create(job_id="retired")
    assert listed(client, "?job_id=retired") == [old.pk]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("limit=0", "limit", "from 1 to 100"),
        ("limit=101", "limit", "from 1 to 100"),
        ("limit=ten", "limit", "from 1 to 100"),
        ("limit=-1", "limit", "from 1 to 100"),
        ("limit=" + "9" * 5000, "limit", "from 1 to 100"),
        ("limit=%C2%B2", "limit", "from 1 to 100"),
        ("limit=", "limit", "from 1 to 100"),
        ("status=success", "status", "QUEUED, RUNNING, SUCCESS"),
        ("job_id=no_such_job", "job_id", JOB),
        ("job_id=%00", "job_id", JOB),
        ("jobid=x", "jobid", "job_id, status, limit"),
    ],
)
def test_it_refuses_a_filter_with_a_sentence(
    client: Client, query: str, field: str, words: str
) -> None:
    answer = client.get(f"{EXECUTIONS}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["errors"][field][0]


def test_it_shows_one_with_its_result_log_and_traceback(client: Client) -> None:
    process = SchedulerProcessFactory.create(host="machine", pid=7)
    row = ExecutionLogFactory.create(
        status=Status.FAILED,
        process=process,
        duration_ms=1234,
        error_message="It broke.",
        traceback="Traceback …",
        log="a line",
        result={"rows": 5},
    )
    shown = client.get(f"{EXECUTIONS}/{row.pk}").json()
    assert shown.items() >= {
        "id": row.pk,
        "status": "FAILED",
        "duration_ms": 1234,
        "error_message": "It broke.",
        "traceback": "Traceback …",
        "log": "a line",
        "result": {"rows": 5},
        "process": "machine:7",
        "scheduled_for": "2026-03-02T18:00:00+08:00",
    }.items()  # fmt: skip


@pytest.mark.parametrize("number", ["0", "x", "-1", "9" * 40, "1.5", "%00", "²"])
def test_it_does_not_find_what_is_not_there(client: Client, number: str) -> None:
    answer = client.get(f"{EXECUTIONS}/{number}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_newest_of_a_rare_job_are_found_by_their_index() -> None:
    ExecutionLog.objects.bulk_create(
        ExecutionLogFactory.build(job_id="rare" if number < 30 else "busy", attempt=number)
        for number in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scheduler_execution_log")
    plan = ExecutionLog.objects.filter(job_id="rare").order_by("-id")[:20].explain()
    assert "execution_newest_by_job" in plan
    assert "Sort" not in plan


def test_a_waiting_execution_is_cancelled_at_once_and_by_name() -> None:
    waiting = ExecutionLogFactory.create(queued=True)
    answer = post(logged_in(TRIGGER), f"{EXECUTIONS}/{waiting.pk}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "CANCELLED")
    assert answer.json()["error_message"] == f"cancelled by staff-{TRIGGER}"


def test_a_running_execution_is_asked_to_stop_at_its_next_checkpoint() -> None:
    running = ExecutionLogFactory.create(status=Status.RUNNING)
    answer = post(logged_in(TRIGGER), f"{EXECUTIONS}/{running.pk}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "RUNNING")
    asked = StopRequest.objects.get(execution_id=running.pk)
    assert (asked.at_once, asked.reason) == (True, f"cancelled by staff-{TRIGGER}")


def test_what_is_over_is_not_cancelled() -> None:
    over = ExecutionLogFactory.create(status=Status.SUCCESS)
    answer = post(logged_in(TRIGGER), f"{EXECUTIONS}/{over.pk}/cancel")
    assert answer.status_code == 409
    assert f"Execution {over.pk} is SUCCESS" in answer.json()["detail"]
    assert (
        post(logged_in(TRIGGER, "view_executionlog"), f"{EXECUTIONS}/0/cancel").status_code == 404
    )
