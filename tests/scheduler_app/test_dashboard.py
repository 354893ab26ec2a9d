"""The overview: what runs, what fails and since when, the last days, and other apps' panels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.utils import timezone

from scheduler_app import dashboard, history
from scheduler_app.dashboard import Panel, register_panel
from scheduler_app.models import ExecutionLog, Status, StopRequest
from tests.factories import MONDAY_SIX, ExecutionLogFactory
from tests.scheduler_app.web import JOB, TRIGGER, VIEW_EXECUTIONS, logged_in, registered

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


def ended(status: Status, hours: int, error: str = "") -> ExecutionLog:
    at = MONDAY_SIX + hours * HOUR
    row: ExecutionLog = ExecutionLogFactory.create(
        job_id=JOB, status=status, scheduled_for=at, started_at=at, finished_at=at,
        error_message=error,
    )  # fmt: skip
    return row


def test_a_job_fails_since_its_first_failure_after_a_success() -> None:
    ended(Status.FAILED, 0)
    ended(Status.SUCCESS, 1)
    ended(Status.FAILED, 2, "first")
    newest = ended(Status.FAILED, 3, "then this")
    (job,) = history.failing([JOB])
    assert (job.times, job.since, job.newest) == (2, MONDAY_SIX + 2 * HOUR, newest.pk)
    assert job.error == "then this"


def test_a_job_that_succeeded_last_does_not_fail() -> None:
    ended(Status.FAILED, 0)
    ended(Status.SUCCESS, 1)
    ended(Status.SKIPPED_PAUSED, 2)
    assert history.failing([JOB]) == []


def test_days_are_counted_in_the_time_zone_of_the_settings() -> None:
    ended(Status.SUCCESS, 0)
    ended(Status.FAILED, 5)  # 23:00 in Shanghai
    ended(Status.FAILED, 7)  # the next day there
    ended(Status.MISSED, 8)
    days = {day.date: day for day in history.last_days([JOB], MONDAY_SIX + 20 * HOUR)}
    assert len(days) == 30
    monday, tuesday = days[dt.date(2026, 3, 2)], days[dt.date(2026, 3, 3)]
    assert (monday.succeeded, monday.failed, monday.others) == (1, 1, 0)
    assert (tuesday.succeeded, tuesday.failed, tuesday.others) == (0, 1, 1)


def test_the_overview_shows_failures_and_the_chart_to_those_who_may_see_executions() -> None:
    ended(Status.FAILED, 0, "The source <b>said</b> no.")
    text = logged_in(VIEW_EXECUTIONS).get("/admin/").content.decode()
    assert "Failing" in text and "The source &lt;b&gt;said&lt;/b&gt; no." in text
    assert "Runs of the last 30 days" in text
    assert "Runs of the last 30 days" not in logged_in().get("/admin/").content.decode()


def test_a_run_under_way_is_asked_to_stop() -> None:
    row = ExecutionLogFactory.create(job_id=JOB, running=True, started_at=timezone.now())
    staff = logged_in(VIEW_EXECUTIONS, TRIGGER)
    address = f"/admin/scheduler_app/executionlog/{row.pk}/stop/"
    assert address in staff.get("/admin/").content.decode()
    assert staff.get(address).status_code == 405
    staff.post(address)
    asked = StopRequest.objects.get()
    assert (asked.execution_id, asked.at_once) == (row.pk, True)
    assert asked.reason == f"stopped by {'-'.join(('staff', VIEW_EXECUTIONS, TRIGGER))}"


def test_only_those_who_may_run_may_stop() -> None:
    row = ExecutionLogFactory.create(job_id=JOB, running=True, started_at=timezone.now())
    looker = logged_in(VIEW_EXECUTIONS)
    address = f"/admin/scheduler_app/executionlog/{row.pk}/stop/"
    assert address not in looker.get("/admin/").content.decode()
    assert looker.post(address).status_code == 403
    assert not StopRequest.objects.exists()


def test_what_has_ended_is_not_asked_to_stop() -> None:
    row = ended(Status.SUCCESS, 0)
    staff = logged_in(superuser=True)
    answer = staff.post(f"/admin/scheduler_app/executionlog/{row.pk}/stop/", follow=True)
    assert "is not running" in answer.content.decode()
    assert not StopRequest.objects.exists()


def test_a_panel_of_another_app_is_shown_where_it_has_something_to_say() -> None:
    silent = Panel("silent", "no/such/template.html", lambda request: None)
    speaking = Panel(
        "speaking", "scheduler_app/tool.html", lambda request: {"title": "Said by a panel"}
    )
    for panel in (silent, speaking):
        register_panel(panel)
    try:
        assert "Said by a panel" in logged_in().get("/admin/").content.decode()
    finally:
        del dashboard._panels["silent"], dashboard._panels["speaking"]
