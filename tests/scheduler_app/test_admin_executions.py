"""Executions in the admin: found, watched, run again."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.utils import timezone

from scheduler_app import execution_search, live_log
from scheduler_app.capture import LogLines
from scheduler_app.models import Cause, ExecutionLog, LiveLog, Status
from tests.datasync_app.factories import LedgerFactory, TushareCallFactory
from tests.factories import MONDAY_SIX, ExecutionLogFactory
from tests.scheduler_app.web import JOB, TRIGGER, VIEW_EXECUTIONS, logged_in, registered

pytestmark = pytest.mark.django_db

LIST = "/admin/scheduler_app/executionlog/"


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def found(client: Client, asked: str) -> list[int]:
    answer = client.get(LIST, {"q": asked})
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


def test_it_finds_a_number_a_job_a_person_a_day_and_an_error(client: Client) -> None:
    one = ExecutionLogFactory.create(job_id=JOB, triggered_by="ann").pk
    two = ExecutionLogFactory.create(
        job_id="other",
        scheduled_for=MONDAY_SIX + dt.timedelta(days=1),
        status=Status.FAILED,
        error_message="The disk is full.",
    ).pk
    for asked, rows in (
        (str(one), [one]),
        (JOB, [one]),
        ("ann", [one]),
        ("2026-03-02", [one]),
        ("20260303", [two]),
        ("DISK is", [two]),
        ("  ", [two, one]),
    ):
        assert found(client, asked) == rows, asked


@pytest.mark.parametrize(
    "asked", ["' OR 1=1 --", "9" * 40, "\0", "%", "<script>", "2026-13-45", "99999999", "٣"]
)
def test_what_nobody_asks_for_finds_nothing_and_breaks_nothing(client: Client, asked: str) -> None:
    ExecutionLogFactory.create(job_id=JOB)
    assert client.get(LIST, {"q": asked}, follow=True).status_code == 200


def test_an_error_is_looked_for_among_the_newest_failures(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_search, "FAILURES_SEARCHED", 1)
    for attempt in (1, 2):
        ExecutionLogFactory.create(
            job_id=JOB, attempt=attempt, status=Status.FAILED, error_message="It broke."
        )
    assert found(client, "broke") == [ExecutionLog.objects.get(attempt=2).pk]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("status = 'MISSED'", "execution_by_status"),
        ("caused_by = 'first_start'", "execution_by_cause"),
        ("job_id = 'x' AND status = 'FAILED'", "execution_by_job_status"),
        ("triggered_by = 'ann'", "execution_by_person"),
    ],
)
def test_each_filter_has_its_index(query: str, index: str) -> None:
    # Of an empty table every index is as good, and what earlier tests left in them decides.
    common = [Status.SUCCESS, Status.FAILED]
    ExecutionLog.objects.bulk_create(
        ExecutionLogFactory.build(
            job_id=f"job {n % 7}", attempt=n, status=common[n % 2], triggered_by=f"person {n % 9}"
        )
        for n in range(1, 1000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scheduler_execution_log")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(
            f"EXPLAIN SELECT id FROM scheduler_execution_log WHERE {query}"  # noqa: S608
            " ORDER BY id DESC LIMIT 50"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan, plan


def running(**fields: Any) -> ExecutionLog:
    execution: ExecutionLog = ExecutionLogFactory.create(
        job_id=JOB, running=True, started_at=timezone.now(), **fields
    )
    return execution


def test_the_page_of_a_run_under_way_follows_its_log(client: Client) -> None:
    execution = running()
    tail = f"{LIST}{execution.pk}/tail/"
    LiveLog.objects.create(execution_id=execution.pk, text="a line <b>", written_at=timezone.now())
    page = client.get(f"{LIST}{execution.pk}/change/").content.decode()
    assert f'data-tail="{tail}"' in page
    assert "a line &lt;b&gt;" in page
    assert client.get(tail).json() == {"status": "RUNNING", "log": "a line <b>", "ended": False}
    ExecutionLog.objects.update(
        execution.pk, status=Status.SUCCESS, finished_at=timezone.now(), log="all of it"
    )
    assert client.get(tail).json() == {"status": "SUCCESS", "log": "all of it", "ended": True}
    assert "data-tail" not in client.get(f"{LIST}{execution.pk}/change/").content.decode()


def test_following_needs_the_permission_to_read() -> None:
    execution = running()
    for client, status in ((logged_in(VIEW_EXECUTIONS), 200), (logged_in(TRIGGER), 403)):
        assert client.get(f"{LIST}{execution.pk}/tail/").status_code == status
    assert Client().get(f"{LIST}{execution.pk}/tail/").status_code == 302
    assert logged_in(VIEW_EXECUTIONS, superuser=True).get(f"{LIST}0/tail/").status_code == 404


def test_it_is_run_again_with_the_same_arguments(client: Client) -> None:
    execution = ExecutionLogFactory.create(job_id=JOB, job_kwargs={"days": 2})
    assert "Run it again" in client.get(f"{LIST}{execution.pk}/change/").content.decode()
    answer = client.post(f"{LIST}{execution.pk}/again/")
    again = ExecutionLog.objects.get(status=Status.QUEUED)
    assert answer.headers["Location"] == f"{LIST}{again.pk}/change/"
    assert (again.job_kwargs, again.caused_by, again.triggered_by) == (
        {"days": 2},
        Cause.MANUAL,
        "superuser",
    )


def test_what_its_job_no_longer_takes_is_not_run_again(client: Client) -> None:
    execution = ExecutionLogFactory.create(job_id=JOB, job_kwargs={"gone": 2})
    answer = client.post(f"{LIST}{execution.pk}/again/")
    assert "takes no argument 'gone'" in str(next(iter(get_messages(answer.wsgi_request))))
    assert not ExecutionLog.objects.filter(status=Status.QUEUED).exists()


def test_running_again_needs_both_permissions_and_a_post() -> None:
    execution = ExecutionLogFactory.create(job_id=JOB)
    address = f"{LIST}{execution.pk}/again/"
    for client in (logged_in(VIEW_EXECUTIONS), logged_in(TRIGGER)):
        assert client.post(address).status_code == 403
    may = logged_in(VIEW_EXECUTIONS, TRIGGER)
    assert may.get(address).status_code == 405
    assert ExecutionLog.objects.count() == 1
    assert "Run it again" not in logged_in().get(f"{LIST}{execution.pk}/change/").content.decode()


def test_the_attempts_at_a_slot_lead_to_each_other(client: Client) -> None:
    first = ExecutionLogFactory.create(job_id=JOB, status=Status.FAILED)
    second = ExecutionLogFactory.create(job_id=JOB, attempt=2)
    text = client.get(f"{LIST}{second.pk}/change/").content.decode()
    assert f'<a href="{LIST}{first.pk}/change/">1 <span class="run-status run-failed">' in text


def test_the_result_is_told_in_cells_rows_calls_and_waits(client: Client) -> None:
    cell = LedgerFactory.create(state="partial")
    began = timezone.now()
    TushareCallFactory.create(api_name="daily", at=began, waited_ms=65_000)
    of_daily = {"cells_closed": 19, "cells_open": 1, "rows": 100_123, "calls": 21,
                "open": {cell.cell: "partial: 3 codes"}, "left": "the rest is for tomorrow"}  # fmt: skip
    execution = ExecutionLogFactory.create(
        job_id=JOB,
        started_at=began - dt.timedelta(minutes=1),
        finished_at=began + dt.timedelta(minutes=1),
        result={"daily": of_daily, "not_available": ["x"]},
    )
    text = client.get(f"{LIST}{execution.pk}/change/").content.decode()
    for words in ("100123", "21", "1 min 05 s", "partial: 3 codes", "the rest is for tomorrow"):
        assert words in text
    assert f'<a href="/admin/datasync_app/syncledger/{cell.pk}/change/">{cell.cell}</a>' in text
    other = ExecutionLogFactory.create(job_id=JOB, attempt=2, result={"daily": "no object"})
    assert "What it did" not in client.get(f"{LIST}{other.pk}/change/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_lasts_is_written_down_while_it_goes_on_and_forgotten_when_it_ends() -> None:
    logs = live_log.LiveLogs(every_seconds=0.02)
    execution = running()
    lines = LogLines(execution.pk)
    lines.add("first")
    logs.follow(lines)
    until = timezone.now() + dt.timedelta(seconds=20)
    while live_log.so_far(execution) != "first" and timezone.now() < until:
        pass
    assert live_log.so_far(execution) == "first"
    lines.add("second")
    while live_log.so_far(execution) != "first\nsecond" and timezone.now() < until:
        pass
    assert live_log.so_far(execution) == "first\nsecond"
    thread = logs._thread
    logs.forget(lines)
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert not LiveLog.objects.exists()


def test_a_run_that_began_since_the_last_look_is_not_written_down_yet() -> None:
    logs = live_log.LiveLogs()
    logs._thread = threading.current_thread()  # which looks when it likes
    execution = running()
    lines = LogLines(execution.pk)
    lines.add("first")
    logs.follow(lines)
    logs._look()
    assert not LiveLog.objects.exists()
    logs._look()
    assert live_log.so_far(execution) == "first"


def test_what_a_killed_process_left_is_forgotten_after_a_day() -> None:
    now = timezone.now()
    for number, age in ((1, dt.timedelta(hours=25)), (2, dt.timedelta(hours=1))):
        LiveLog.objects.create(execution_id=number, text="x", written_at=now - age)
    live_log.forget_old()
    assert [row.pk for row in LiveLog.objects.all()] == [2]
