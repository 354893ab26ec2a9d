"""The data's part of the overview: first steps, freshness, calls of today, tasks to steer."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import Settings

from datasync_app import dashboard
from datasync_app.engine.freshness import freshness
from datasync_app.models import CellState, SourceIdentity, SyncTask, TaskStatus, TushareAccount
from datasync_app.tushare.limits import account_of
from scheduler_app.admin import look
from tests.datasync_app.factories import LedgerFactory, SyncTaskFactory, TushareCallFactory
from tests.factories import ExecutionLogFactory
from tests.scheduler_app.web import TRIGGER, logged_in

pytestmark = pytest.mark.django_db

DAY = dt.date(2020, 1, 9)


def test_a_dataset_is_good_until_its_newest_good_day() -> None:
    fetched = dt.datetime(2020, 1, 9, 10, tzinfo=dt.UTC)
    LedgerFactory.create(cell_date=DAY, fetched_at=fetched)
    LedgerFactory.create(cell_date=dt.date(2020, 1, 8), state=CellState.EMPTY_CONFIRMED)
    LedgerFactory.create(cell_date=dt.date(2020, 1, 10), state=CellState.DUE, received_rows=0)
    LedgerFactory.create(cell_date=dt.date(2020, 1, 7), state=CellState.PARTIAL)
    LedgerFactory.create(cell_date=dt.date(2020, 1, 6), state=CellState.FAILED)
    (daily,) = freshness()
    assert (daily.dataset, daily.until, daily.fetched_at) == ("daily", DAY, fetched)
    assert (daily.good, daily.late, daily.missing) == (2, 1, 2)


def test_calls_are_those_since_midnight_in_shanghai() -> None:
    midnight = dt.datetime(2020, 1, 8, 16, tzinfo=dt.UTC)
    TushareCallFactory.create(at=midnight - dt.timedelta(seconds=1))
    for second in (1, 2, 3):
        TushareCallFactory.create(at=midnight + dt.timedelta(seconds=second), quota=4)
    later = midnight + dt.timedelta(hours=2)
    TushareCallFactory.create(at=later, quota=4, outcome="rate_limited", rows=None)
    (daily,) = dashboard.calls_today(later)
    assert (daily.api_name, daily.calls, daily.refusals, daily.busiest) == ("daily", 4, 1, 75)


def test_first_steps_are_shown_until_there_is_a_token(settings: Settings) -> None:
    staff = logged_in()
    settings.TUSHARE_TOKEN = ""
    text = staff.get("/admin/").content.decode()
    assert "First steps" in text and 'href="/admin/doctor/"' in text.partition("First steps")[2]
    SourceIdentity.objects.create(identity="tushare")
    assert "First steps" not in staff.get("/admin/").content.decode()
    SourceIdentity.objects.update(identity="sandbox:42")
    assert "First steps" in staff.get("/admin/").content.decode()
    settings.TUSHARE_TOKEN = "t" * 56
    assert "First steps" not in staff.get("/admin/").content.decode()


def test_the_source_is_told_with_its_account_and_why_it_cannot_be_asked(settings: Settings) -> None:
    settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "t" * 56, "https://tushare.invalid/dataapi"
    TushareAccount.objects.create(
        token_fingerprint=account_of("t" * 56, settings.TUSHARE_BASE_URL),
        points=2000, expires=DAY, asked_at=timezone.now(),
    )  # fmt: skip
    who_may = logged_in("view_tushareaccount")

    def told(client: Client) -> str:
        page = client.get("/admin/").content.decode()
        return " ".join(strip_tags(page.partition('aria-label="Source">')[2][:1500]).split())

    assert told(who_may).startswith("No data yet https://tushare.invalid/dataapi")
    SourceIdentity.objects.create(identity="tushare")
    assert "Data of Tushare https://tushare.invalid/dataapi 2000 points, until 2020-01-09" in told(
        who_may
    )
    assert "points" not in told(logged_in())
    settings.TUSHARE_TOKEN = settings.TUSHARE_BASE_URL = ""
    settings.SANDBOX_ADDRESS_FILE = "there is none"
    assert told(who_may).startswith("Data of Tushare There is no source to sync from")
    SourceIdentity.objects.update(identity="sandbox:42")
    settings.TUSHARE_BASE_URL = "http://127.0.0.1:9"
    assert told(who_may).startswith("Generated data of sandbox:42 http://127.0.0.1:9")


def test_each_sees_only_the_panels_of_tables_that_they_may_see() -> None:
    LedgerFactory.create()
    text = logged_in("view_syncledger").get("/admin/").content.decode()
    assert "Good until" in text and "Calls today" not in text
    assert "Good until" not in logged_in("view_callday").get("/admin/").content.decode()


def test_a_task_shows_its_progress_and_end() -> None:
    now = timezone.now()
    SyncTaskFactory.create(
        current_offset=30,
        expected_cells=120,
        started_at=now - dt.timedelta(minutes=10),
        updated_at=now,
    )
    text = logged_in("view_synctask").get("/admin/").content.decode()
    assert '<progress max="120" value="30"' in text
    assert f"{timezone.localtime(now + dt.timedelta(minutes=30)):%Y-%m-%d %H:%M}" in text
    assert "/steer/" not in text


def test_a_run_under_way_shows_how_far_it_is_and_when_it_is_done() -> None:
    now = timezone.now()
    run = ExecutionLogFactory.create(running=True, started_at=now)
    other = ExecutionLogFactory.create(running=True, started_at=now)
    facts = {"current_offset": 30, "expected_cells": 120, "updated_at": now}
    started = now - dt.timedelta(minutes=10)
    SyncTaskFactory.create(execution_id=run.pk, started_at=started, **facts)
    SyncTaskFactory.create(execution_id=other.pk, status=TaskStatus.PAUSED, job_type="x", **facts)
    done_by = f"done by {look.moment(timezone.localtime(now + dt.timedelta(minutes=30)))}"
    staff = logged_in("view_executionlog", "view_synctask", TRIGGER)
    page = f"/admin/scheduler_app/executionlog/{run.pk}/change/"
    for address, above in (("/admin/", "Running now"), (page, "<h2>Progress")):
        running = staff.get(address).content.decode().partition(above)[2]
        assert '<progress max="120" value="30"' in running
        assert done_by in strip_tags(running)
    rows = (
        staff.get("/admin/").content.decode().partition("Running now")[2].partition("</table>")[0]
    )
    assert rows.count("<progress") == 1
    assert rows.count("/stop/") == 2
    looker = logged_in("view_executionlog")
    assert "<progress" not in looker.get("/admin/").content.decode().partition("Running now")[2]
    assert "<progress" not in looker.get(page).content.decode()


def test_staff_pause_a_task_and_cannot_resume_one_that_is_over() -> None:
    staff = logged_in("view_synctask", TRIGGER)
    task = SyncTaskFactory.create(updated_at=timezone.now())
    address = f"/admin/datasync_app/synctask/{task.pk}/steer/"
    assert address in staff.get("/admin/").content.decode()
    answer = staff.post(address, {"wish": "pause"}, follow=True)
    assert "asked to pause between two cells" in answer.content.decode()
    task.refresh_from_db()
    assert (task.wanted, task.wanted_by) == ("pause", f"staff-view_synctask-{TRIGGER}")
    SyncTask.objects.update(status=TaskStatus.COMPLETED, wanted="")
    answer = staff.post(address, {"wish": "resume"}, follow=True)
    assert "is COMPLETED; a paused task can be resumed" in answer.content.decode()


@pytest.mark.parametrize(
    ("wish", "number", "words"),
    [("explode", 0, "paused, resumed or cancelled"), ("pause", 10**12, "There is no task")],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    wish: str, number: int, words: str
) -> None:
    task = SyncTaskFactory.create()
    staff = logged_in(superuser=True)
    address = f"/admin/datasync_app/synctask/{number or task.pk}/steer/"
    assert words in staff.post(address, {"wish": wish}, follow=True).content.decode()


def test_the_page_of_a_task_has_the_buttons_and_is_come_back_to() -> None:
    task = SyncTaskFactory.create(current_offset=3, expected_cells=12)
    page = f"/admin/datasync_app/synctask/{task.pk}/change/"
    staff = logged_in("view_synctask", TRIGGER)
    assert 'value="cancel"' in staff.get(page).content.decode()
    assert "3 / 12" in staff.get("/admin/datasync_app/synctask/").content.decode()
    address = f"/admin/datasync_app/synctask/{task.pk}/steer/"
    answer = staff.post(address, {"wish": "cancel", "back": "task"})
    assert answer.headers["Location"] == page
    assert 'value="cancel"' not in logged_in("view_synctask").get(page).content.decode()


def test_who_may_only_look_steers_nothing() -> None:
    task = SyncTaskFactory.create()
    looker = logged_in("view_synctask")
    address = f"/admin/datasync_app/synctask/{task.pk}/steer/"
    assert looker.post(address, {"wish": "cancel"}).status_code == 403
    assert looker.get(address).status_code == 405
    task.refresh_from_db()
    assert task.wanted == ""
