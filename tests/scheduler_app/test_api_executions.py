"""Executions over HTTP: the list with its filters, and one in full."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from scheduler_app.models import Cause, ExecutionLog, LiveLog, Status, StopRequest
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


def test_it_finds_what_the_admin_finds(client: Client) -> None:
    (failed,) = made(1, status=Status.FAILED, error_message="The quota is spent.")
    (asked,) = made(1, caused_by=Cause.API, triggered_by="someone", attempt=2)
    assert listed(client, "?q=quota") == [failed]
    assert listed(client, "?q=someone") == [asked]
    assert listed(client, f"?q={failed}") == [failed]
    assert listed(client, "?q=2026-03-02") == [asked, failed]
    assert listed(client, "?caused_by=api") == [asked]
    assert listed(client, "?q=2026-03-02&status=FAILED") == [failed]
    assert listed(client, "?q=nothing+of+the+kind") == []


def test_each_page_goes_on_below_the_last_one(client: Client) -> None:
    ids = made(5)
    seen, query = [], "?limit=2"
    while query:
        page = client.get(EXECUTIONS + query).json()
        seen.append([row["id"] for row in page["results"]])
        query = f"?limit=2&before={page['next']}" if page["next"] else ""
    assert seen == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    answer = client.get(f"{EXECUTIONS}?before=yesterday")
    assert answer.status_code == 400
    assert answer.json()["errors"]["before"] == [
        "The before is 'yesterday'; it takes the id of a row."
    ]


def test_a_log_is_followed_while_it_grows(client: Client) -> None:
    (pk,) = made(1, running=True)
    log = f"{EXECUTIONS}/{pk}/log"
    assert client.get(log).json() == {"status": "RUNNING", "ended": False, "log": ""}
    LiveLog.objects.create(execution_id=pk, text="line 1", written_at=MONDAY_SIX)
    assert client.get(log).json() == {"status": "RUNNING", "ended": False, "log": "line 1"}
    assert client.get(f"{EXECUTIONS}/{pk}").json()["log"] == "line 1"
    ExecutionLog.objects.update(
        pk, status=Status.SUCCESS, finished_at=MONDAY_SIX, log="line 1\nline 2"
    )
    told = {"status": "SUCCESS", "ended": True, "log": "line 1\nline 2"}
    assert client.get(log).json() == told
    assert client.get(f"{EXECUTIONS}/0/log").status_code == 404


def test_a_run_is_queued_again_with_its_arguments() -> None:
    (pk,) = made(1, status=Status.FAILED, job_kwargs={"days": 3})
    staff = logged_in(TRIGGER)
    answer = post(staff, f"{EXECUTIONS}/{pk}/again")
    again = ExecutionLog.objects.get(status=Status.QUEUED)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{EXECUTIONS}/{again.pk}"
    assert (again.job_id, again.job_kwargs, again.caused_by) == (JOB, {"days": 3}, "api")
    assert again.triggered_by == f"staff-{TRIGGER}"


def test_a_run_that_its_job_would_not_take_is_not_queued_again() -> None:
    (pk,) = made(1, job_kwargs={"of_an_older_version": 1})
    answer = post(logged_in(TRIGGER), f"{EXECUTIONS}/{pk}/again")
    assert answer.status_code == 400
    assert "of_an_older_version" in answer.json()["errors"]["job_kwargs"][0]
    assert not ExecutionLog.objects.filter(status=Status.QUEUED).exists()


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
        ("jobid=x", "jobid", "job_id, status, caused_by, q, limit"),
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
