"""The admin as a person uses it: look, change a schedule, be told, run a job."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from scheduler_app.models import ExecutionLog, JobConfig, Status
from tests.datasync_app.factories import LedgerFactory, SyncTaskFactory
from tests.datasync_app.reports.week import hold_week, make_hole
from tests.datasync_app.stock_month import hold_stock
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import JOB, registered, scheduler_runs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def schedule() -> Iterator[JobConfig]:
    with registered():
        config: JobConfig = JobConfigFactory.create(job_id=JOB, job_name="Mine")
        ExecutionLogFactory.create(job_id=JOB, status=Status.FAILED, error_message="It broke.")
        yield config


@pytest.fixture
def admin(boss: Page, admin_url: str) -> Page:
    """The overview."""
    boss.goto(admin_url)
    return boss


def test_a_person_logs_in(page: Page, live_server: LiveServer) -> None:
    User.objects.create_superuser("boss", password="a long password")
    page.goto(live_server.url)
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title("Overview | StockSync")


def test_the_overview_shows_all_at_a_glance(admin: Page) -> None:
    failing = admin.get_by_role("row").filter(has_text="It broke.").first
    expect(failing).to_contain_text("Mon 2026-03-02 18:00 CST")
    row = admin.get_by_role("row").filter(has_text="Mine")
    expect(row).to_contain_text("every day at 18:00")
    expect(row).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d 18:00 CST"))
    expect(row).to_contain_text("failed")
    expect(admin.get_by_text("No scheduler is running")).to_be_visible()


def test_a_task_is_cancelled_only_after_a_question(admin: Page) -> None:
    task = SyncTaskFactory.create(expected_cells=10, current_offset=4, updated_at=timezone.now())
    admin.reload()
    expect(admin.locator("canvas.chart")).to_be_visible()
    row = admin.get_by_role("row").filter(has_text="4 / 10")
    admin.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button", name="Cancel").click()
    task.refresh_from_db()
    assert task.wanted == ""
    admin.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Cancel").click()
    expect(admin.get_by_text("asked to cancel between two cells")).to_be_visible()
    task.refresh_from_db()
    assert task.wanted == "cancel"


def test_a_day_of_the_calendar_leads_to_its_cell_which_is_repaired_and_accepted(
    boss: Page, admin_url: str
) -> None:
    LedgerFactory.create(state="partial", missing={"600000.SH": "unexplained"})
    boss.set_viewport_size({"width": 390, "height": 800})
    boss.goto(f"{admin_url}datasync_app/syncledger/calendar/")
    assert boss.evaluate("document.documentElement.scrollWidth") <= 390
    boss.get_by_role("link", name="2020-01-09: partial, 1 rows").click()
    expect(boss.get_by_text("unexplained (1): 600000.SH")).to_be_visible()
    boss.get_by_role("button", name="Repair now").click()
    expect(boss.get_by_text("Queued: execution")).to_be_visible()
    run = ExecutionLog.objects.get(status=Status.QUEUED)
    assert run.job_kwargs == {"start": "20200109", "end": "20200109"}
    boss.get_by_label("Reason").fill("The exchange closed these boards.")
    boss.get_by_role("button", name="Accept as it is").click()
    expect(boss.get_by_text("The cell is accepted as it is.")).to_be_visible()


def test_a_wrong_cron_is_refused_at_its_field(admin: Page, schedule: JobConfig) -> None:
    admin.get_by_role("link", name="Mine").click()
    admin.get_by_label("Cron expression").fill("0 0 31 2 *")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.locator(".field-cron_expression .errorlist")).to_contain_text("never fires")
    schedule.refresh_from_db()
    assert schedule.cron_expression == "0 18 * * *"


def test_the_next_runs_are_shown_while_a_schedule_is_typed_in(
    admin: Page, schedule: JobConfig
) -> None:
    admin.get_by_role("link", name="Mine").click()
    preview = admin.locator(".run-preview")
    expect(preview).to_be_hidden()
    cron = admin.get_by_label("Cron expression")
    cron.fill("30 9 * * 1-5")
    expect(preview.locator("li")).to_have_count(6)
    expect(preview.locator("li").first).to_have_text(
        re.compile(r"^(Mon|Tue|Wed|Thu|Fri) \d{4}-\d\d-\d\d 09:30 \+08:00$")
    )
    admin.get_by_label("Time zone").fill("UTC")
    expect(preview.locator("li").first).to_contain_text("09:30 +00:00")
    cron.fill("0 0 31 2 *")
    expect(preview).to_contain_text("never fires")
    schedule.refresh_from_db()
    assert schedule.cron_expression == "0 18 * * *"


def test_a_right_cron_is_saved_and_the_person_sees_it_applied(
    admin: Page, schedule: JobConfig
) -> None:
    scheduler_runs(applied=10**9)
    admin.get_by_role("link", name="Mine").click()
    admin.get_by_label("Cron expression").fill("30 9 * * 1-5")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_text("Applied by the running scheduler")).to_be_visible()
    expect(admin.locator(".run-times li")).to_have_count(6)
    expect(admin.locator(".run-times li").first).to_contain_text("09:30 CST")
    schedule.refresh_from_db()
    assert schedule.cron_expression == "30 9 * * 1-5"


def test_run_now_queues_an_execution_that_can_be_opened(admin: Page) -> None:
    admin.get_by_role("link", name="Mine").click()
    admin.get_by_role("button", name="Run now").click()
    queued = ExecutionLog.objects.get(status=Status.QUEUED)
    admin.get_by_role("link", name=f"execution {queued.pk}").click()
    expect(admin.locator(".form-row", has_text="Status")).to_contain_text("queued")
    expect(admin.locator(".form-row", has_text="Who")).to_contain_text("boss")


def test_the_pages_fit_a_phone_and_the_dark(boss: Page, admin_url: str) -> None:
    boss.emulate_media(color_scheme="dark")
    boss.set_viewport_size({"width": 390, "height": 800})
    for path in ("", "scheduler_app/jobconfig/", "scheduler_app/executionlog/"):
        boss.goto(f"{admin_url}{path}")
        wide = boss.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} is {wide} pixels wide"


def test_what_runs_is_stopped_on_a_phone_without_looking_aside(boss: Page, admin_url: str) -> None:
    ExecutionLogFactory.create(status=Status.RUNNING, started_at=timezone.now(), finished_at=None)
    boss.set_viewport_size({"width": 390, "height": 800})
    boss.goto(admin_url)
    running = boss.locator(".run-module", has_text="Running now")
    assert running.evaluate("module => module.scrollWidth - module.clientWidth") == 0
    place = running.get_by_role("button", name="Stop").bounding_box()
    assert place is not None and place["x"] + place["width"] < 390


def test_the_page_to_try_the_api_lists_its_addresses(boss: Page, live_server: LiveServer) -> None:
    boss.goto(f"{live_server.url}/api/docs/")
    expect(boss.get_by_text("/api/scheduler/jobs/{job_id}/schedule")).to_be_visible()


def test_a_report_is_printed_on_a4_without_what_is_around_it(boss: Page, admin_url: str) -> None:
    hold_week()
    make_hole()
    boss.goto(f"{admin_url}datasync_app/syncledger/report/")
    boss.get_by_role("textbox", name="From").fill("20200106")
    boss.get_by_role("textbox", name="To").fill("20200110")
    boss.get_by_role("checkbox", name="daily bars").check()
    boss.get_by_role("button", name="Make the report").click()
    part = boss.get_by_role("region", name="daily bars")
    expect(part.get_by_role("row").filter(has_text="20200108").first).to_contain_text("partial")
    menu = boss.get_by_role("link", name=re.compile(r"\bReport$"))
    expect(menu).to_be_visible()
    boss.emulate_media(media="print")
    expect(part).to_be_visible()
    expect(boss.get_by_role("button", name="Make the report")).to_be_hidden()
    expect(menu).to_be_hidden()
    paper = boss.pdf(prefer_css_page_size=True)
    assert b"/MediaBox [0 0 594.95996 841.91998]" in paper


def test_a_stock_is_found_and_its_missing_bar_explained(boss: Page, admin_url: str) -> None:
    hold_stock("600000.SH", "浦发银行", suspended=dt.date(2019, 6, 12))
    boss.set_viewport_size({"width": 390, "height": 800})
    boss.goto(f"{admin_url}datasync_app/stockbasic/600000.SH/change/")
    told = boss.locator(".stock-told")
    expect(told).to_contain_text("2019-06-28: open")
    expect(boss.locator(".stock-chart canvas").first).to_be_visible()
    expect(boss.get_by_role("row", name="2019-06-12")).to_contain_text("It was suspended all day.")
    assert boss.evaluate("document.documentElement.scrollWidth") <= 390

    raw = told.text_content()
    boss.get_by_label("Prices").select_option("backward")
    expect(told).not_to_have_text(raw or "")
    boss.get_by_label("From", exact=True).fill("2019-06-11")
    boss.get_by_label("To", exact=True).fill("2019-06-13")
    expect(told).to_contain_text("2019-06-13: open")
    chart = boss.get_by_role("group", name="Candlesticks and volume of 600000.SH")
    chart.focus()
    chart.press("End")
    chart.press("ArrowLeft")
    expect(told).to_have_text("2019-06-12: It was suspended all day.")

    boss.get_by_label("Code or name").fill("浦发")
    expect(boss.locator("#stock-found option")).to_have_count(1)
    boss.get_by_role("button", name="Open").click()
    expect(boss.locator(".stock-told")).to_contain_text("2019-06-28: open")


def test_the_language_is_switched_in_the_menu_of_the_account(admin: Page) -> None:
    switch = admin.get_by_role("button", name="简体中文")
    expect(switch).to_be_hidden()
    admin.get_by_text("boss", exact=True).last.click()
    switch.click()
    expect(admin).to_have_title("总览 | StockSync")
    expect(admin.get_by_text("没有调度器在运行")).to_be_visible()
    expect(admin.get_by_role("row").filter(has_text="Mine")).to_contain_text("每天 18:00")
