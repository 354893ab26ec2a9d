"""A day at the admin, as a person spends it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize, expect

from scheduler_app.calendars import RunCalendar, calendars
from scheduler_app.models import ExecutionLog, JobConfig, LiveLog, Status
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import JOB, registered, scheduler_runs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: ViewportSize = {"width": 390, "height": 800}
# Wider than the page is what scrolls by itself.
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(autouse=True)
def schedule() -> Iterator[JobConfig]:
    with registered():
        config: JobConfig = JobConfigFactory.create(job_id=JOB, job_name="Mine")
        ExecutionLogFactory.create(job_id=JOB, status=Status.FAILED, error_message="It broke.")
        yield config


def test_a_schedule_is_changed_applied_run_and_watched(
    boss: Page, admin_url: str, schedule: JobConfig
) -> None:
    scheduler_runs(applied=10**9)
    boss.set_viewport_size(PHONE)
    boss.goto(f"{admin_url}scheduler_app/jobconfig/{schedule.pk}/change/")
    cron = boss.get_by_label("Cron expression")
    cron.fill("61 * * * *")
    expect(boss.locator("#typing_cron_expression")).to_contain_text("is not one of 0 to 59")
    cron.fill("30 9 * * 1-5")
    expect(boss.locator("#typing_cron_expression")).to_be_hidden()
    expect(boss.locator(".run-preview li")).to_have_count(6)
    boss.get_by_label("days", exact=True).fill("3")
    boss.get_by_role("button", name="Save and continue editing").click()
    expect(boss.get_by_text("Applied by the running scheduler")).to_be_visible()
    schedule.refresh_from_db()
    assert (schedule.cron_expression, schedule.job_kwargs) == ("30 9 * * 1-5", {"days": 3})

    boss.get_by_role("link", name="More to do").click()
    boss.get_by_role("button", name="Run now").click()
    queued = ExecutionLog.objects.get(status=Status.QUEUED)
    ExecutionLog.objects.update(queued.pk, status=Status.RUNNING, started_at=timezone.now())
    LiveLog.objects.create(execution_id=queued.pk, text="line 1", written_at=timezone.now())
    boss.get_by_role("link", name=f"execution {queued.pk}").click()
    log = boss.locator("[data-tail]")
    expect(log).to_have_text("line 1")
    LiveLog.objects.update(text="line 1\nline 2")
    expect(log).to_contain_text("line 2")
    ExecutionLog.objects.update(
        queued.pk, status=Status.SUCCESS, finished_at=timezone.now(), log="line 1\nline 2\nline 3"
    )
    expect(boss.get_by_text("line 3")).to_be_visible()
    boss.get_by_role("link", name="More to do").click()
    expect(boss.get_by_role("button", name="Run it again")).to_be_visible()
    assert boss.evaluate(WIDTH) <= PHONE["width"]


def test_the_next_runs_are_told_in_the_zone_of_whoever_looks(
    boss: Page, admin_url: str, schedule: JobConfig
) -> None:
    boss.goto(f"{admin_url}scheduler_app/jobconfig/{schedule.pk}/change/")
    offset = boss.evaluate("-new Date().getTimezoneOffset()")
    zone = boss.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    boss.get_by_label("Time zone").fill("Asia/Kolkata" if offset != 330 else "Asia/Tokyo")
    first = boss.locator(".run-preview li").first
    expect(first.locator(".run-here")).to_have_text(
        re.compile(rf"^\w{{3}} \d{{4}}-\d\d-\d\d \d\d:\d\d {re.escape(zone)}$")
    )
    there, here = first.locator("time").get_attribute("datetime"), first.locator(".run-here")
    clock = boss.evaluate("(moment) => new Date(moment).toTimeString().slice(0, 5)", there)
    expect(here).to_contain_text(clock)


def test_days_that_the_calendar_leaves_out_stand_struck_among_the_runs(
    boss: Page, admin_url: str, schedule: JobConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekdays = RunCalendar("weekdays", "weekdays", lambda day: day.weekday() < 5)
    monkeypatch.setitem(calendars._calendars, "weekdays", weekdays)
    boss.goto(f"{admin_url}scheduler_app/jobconfig/{schedule.pk}/change/")
    boss.get_by_label("Run calendar").select_option("weekdays")
    preview = boss.locator(".run-preview")
    # Six days hold a weekend, whatever day it is.
    expect(preview.locator("s").first).to_have_text(re.compile(r"^\w{3} \d{4}-\d\d-\d\d$"))
    expect(preview.locator(".run-left-out").first).to_contain_text("left out by the run calendar")
    expect(preview.locator("time")).to_have_count(6)
    dates = [text.split()[1] for text in preview.locator("li").all_inner_texts()]
    assert dates == sorted(dates)


def test_a_row_is_switched_off_and_the_change_is_taken_back(
    boss: Page, admin_url: str, schedule: JobConfig
) -> None:
    boss.goto(f"{admin_url}scheduler_app/jobconfig/")
    boss.get_by_role("button", name="Disable Mine").click()
    expect(boss.get_by_text(f"Disabled {JOB}.")).to_be_visible()
    boss.goto(f"{boss.url}{schedule.pk}/history/")
    boss.once("dialog", lambda dialog: dialog.accept())
    boss.get_by_role("button", name="Back to this").click()
    expect(boss.get_by_text("The schedule is again what it was")).to_be_visible()
    schedule.refresh_from_db()
    assert schedule.enabled


def test_a_job_is_chosen_and_asks_for_its_arguments(
    boss: Page, admin_url: str, schedule: JobConfig
) -> None:
    schedule.delete()
    boss.goto(f"{admin_url}scheduler_app/jobconfig/add/")
    boss.get_by_label("Job").select_option(JOB)
    expect(boss.get_by_label("days", exact=True)).to_be_visible()
    expect(boss.get_by_label("Name")).to_have_value("Example")
