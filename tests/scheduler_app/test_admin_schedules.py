"""Schedules in the admin: what staff see, change and run."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from scheduler_app.admin import applied
from scheduler_app.models import Cause, ExecutionLog, JobConfig, ScheduleRevision, Status
from tests.factories import MONDAY_SIX, ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import (
    CHANGE,
    JOB,
    PAUSE,
    TRIGGER,
    VIEW,
    account,
    logged_in,
    registered,
    scheduler_runs,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/scheduler_app/jobconfig/"
GOOD = {
    "job_id": JOB,
    "job_name": "Example",
    "enabled": "on",
    "trigger": "cron",
    "cron_expression": "0 18 * * 1-5",
    "interval_seconds": "",
    "timezone": "Asia/Shanghai",
    "job_kwargs": "{}",
}


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def page(config: JobConfig) -> str:
    return f"{LIST}{config.pk}/change/"


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_it_adds_a_schedule(client: Client) -> None:
    answer = client.post(f"{LIST}add/", {**GOOD, "argument_days": "3"})
    assert answer.status_code == 302
    config = JobConfig.objects.get(job_id=JOB)
    assert (config.cron_expression, config.job_kwargs) == ("0 18 * * 1-5", {"days": 3})


def test_it_offers_only_jobs_that_have_no_schedule(client: Client) -> None:
    form = client.get(f"{LIST}add/").context["adminform"].form
    offered = {value for value, _label in form.fields["job_id"].choices}
    assert JOB in offered
    assert "sync_daily_by_date" not in offered


def test_it_gives_a_schedule_without_a_name_that_of_its_job(client: Client) -> None:
    client.post(f"{LIST}add/", {**GOOD, "job_name": ""})
    assert JobConfig.objects.get(job_id=JOB).job_name == "Example"


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"cron_expression": "61 * * * *"}, "cron_expression", "is not one of 0 to 59"),
        ({"cron_expression": "0 0 31 2 *"}, "cron_expression", "never fires"),
        ({"cron_expression": ""}, "cron_expression", "has 0 fields"),
        ({"cron_expression": "0 " * 80}, "cron_expression", "at most 100"),
        ({"timezone": "Mars/Base"}, "timezone", "There is no time zone"),
        ({"argument_days": "many"}, "argument_days", "days of example_job is 'many'"),
        ({"argument_days": "1.5"}, "argument_days", "days of example_job is 1.5"),
        ({"argument_days": "9" * 60}, "argument_days", "input should be"),
        ({"argument_start": "tomorrow"}, "argument_start", "start of example_job is 'tomorrow'"),
        ({"argument_start": "<script>"}, "argument_start", "start of example_job"),
        ({"trigger": "interval"}, "interval_seconds", "from 1 to"),
        ({"trigger": "interval", "interval_seconds": "0"}, "interval_seconds", "from 1 to"),
        ({"trigger": "moon"}, "trigger", "valid choice"),
        ({"job_id": "no_such_job"}, "job_id", "valid choice"),
    ],
)
def test_it_refuses_a_schedule_with_a_sentence_at_the_field(
    client: Client, change: dict[str, str], field: str, words: str
) -> None:
    answer = client.post(f"{LIST}add/", {**GOOD, **change})
    assert answer.status_code == 200
    assert words in " ".join(answer.context["adminform"].form.errors[field])
    assert not JobConfig.objects.filter(job_id=JOB).exists()


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ('{"no_such": 1}', "It takes: start, days"),
        ('{"days": "many"}', "days"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"days": NaN}', "NaN"),
        ('{"days": 1, "days": 2}', "key 'days' is given twice"),
        ("[1]", "JSON object"),
        ('{"days": "\\u0000"}', "cannot be stored"),
    ],
)
def test_json_of_a_job_that_takes_any_argument_is_refused_with_a_sentence(
    client: Client, kwargs: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler_app.forms.asks_for_arguments", lambda job: False)
    monkeypatch.setattr("scheduler_app.admin.schedules.asks_for_arguments", lambda job: False)
    answer = client.post(f"{LIST}add/", {**GOOD, "job_kwargs": kwargs})
    assert words in " ".join(answer.context["adminform"].form.errors["job_kwargs"])
    assert not JobConfig.objects.filter(job_id=JOB).exists()


def test_it_keeps_the_row_when_a_change_is_refused(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    before = JobConfig.objects.values().get(pk=config.pk)
    assert client.post(page(config), {**GOOD, "timezone": "x"}).status_code == 200
    assert JobConfig.objects.values().get(pk=config.pk) == before


def test_it_changes_a_schedule_without_its_job(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    client.post(page(config), {**GOOD, "job_id": "sync_stock_basic"})
    config.refresh_from_db()
    assert (config.job_id, config.cron_expression) == (JOB, "0 18 * * 1-5")


def test_it_never_writes_the_columns_of_the_scheduler(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    answer = client.get(page(config))
    form = answer.context["adminform"].form
    JobConfig.objects.filter(pk=config.pk).update(last_slot=MONDAY_SIX, last_run_at=MONDAY_SIX)
    # A form whose row was read before the scheduler wrote to it.
    model_admin = answer.context["adminform"].model_admin
    request = RequestFactory().post("/")
    request.user = account()
    model_admin.save_model(request, config, form, change=True)
    config.refresh_from_db()
    assert (config.last_slot, config.last_run_at) == (MONDAY_SIX, MONDAY_SIX)


def test_the_list_shows_words_next_run_last_result_and_what_is_missing(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB, cron_expression="30 9 * * 1-5")
    last = ExecutionLogFactory.create(job_id=JOB, status=Status.FAILED)
    text = client.get(LIST).content.decode()
    assert "Monday to Friday at 09:30" in text
    assert " 09:30 CST" in text
    assert reverse("admin:scheduler_app_executionlog_change", args=[last.pk]) in text
    assert "The hard part is not built." in text


def test_the_page_shows_six_next_runs_and_what_the_job_takes(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, timezone="Asia/Kolkata")
    text = client.get(page(config)).content.decode()
    assert text.count(" 18:00 IST</time></li>") == 6
    assert "A date as YYYY-MM-DD." in text
    assert "A whole number. Empty: 5." in text
    assert "The hard part is not built." in text


def test_it_says_why_a_broken_row_cannot_fire(client: Client) -> None:
    JobConfigFactory.create(job_id="retired", cron_expression="0 0 31 2 *")
    text = client.get(LIST).content.decode()
    assert "never fires" in text
    assert "This version has no such job" in text


def test_the_list_asks_no_more_queries_for_more_rows(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        JobConfigFactory.create()
    with django_assert_max_num_queries(9):
        client.get(LIST)


def act(client: Client, action: str, *configs: JobConfig) -> Any:
    rows = [config.pk for config in configs]
    return client.post(LIST, {"action": action, "_selected_action": rows})


def test_it_disables_and_enables_the_selected_rows(client: Client) -> None:
    config, other = JobConfigFactory.create(job_id=JOB), JobConfigFactory.create()
    changed, revision = config.updated_at, ScheduleRevision.objects.get().value
    act(client, "disable", config)
    config.refresh_from_db()
    other.refresh_from_db()
    assert (config.enabled, other.enabled) == (False, True)
    assert config.updated_at > changed
    assert ScheduleRevision.objects.get().value == revision + 1
    act(client, "enable", config)
    config.refresh_from_db()
    assert config.enabled
    assert LogEntry.objects.count() == 2


def test_it_does_not_enable_what_cannot_fire(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, cron_expression="0 0 31 2 *", enabled=False)
    answer = act(client, "enable", config)
    config.refresh_from_db()
    assert not config.enabled
    assert "never fires" in said(answer)[0]


def test_run_now_queues_a_row_and_links_to_it(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_kwargs={"days": 4})
    answer = client.post(f"{LIST}{config.pk}/run/")
    execution = ExecutionLog.objects.get(job_id=JOB)
    assert (execution.status, execution.caused_by) == (Status.QUEUED, Cause.MANUAL)
    assert (execution.triggered_by, execution.job_kwargs) == ("superuser", {"days": 4})
    address = reverse("admin:scheduler_app_executionlog_change", args=[execution.pk])
    assert address in said(answer)[0]
    assert answer.headers["Location"] == page(config)


def test_run_now_works_for_the_selected_rows(client: Client) -> None:
    act(client, "run_now", JobConfigFactory.create(job_id=JOB))
    assert ExecutionLog.objects.filter(job_id=JOB, status=Status.QUEUED).exists()


def test_run_now_refuses_a_job_that_is_gone(client: Client) -> None:
    answer = client.post(f"{LIST}{JobConfigFactory.create(job_id='retired').pk}/run/")
    assert "There is no job 'retired'" in said(answer)[0]
    assert not ExecutionLog.objects.exists()


def test_run_now_is_not_a_link(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    assert client.get(f"{LIST}{config.pk}/run/").status_code == 405
    assert client.post(f"{LIST}999999/run/").status_code == 404
    assert not ExecutionLog.objects.exists()


def test_run_now_needs_the_csrf_token() -> None:
    config = JobConfigFactory.create(job_id=JOB)
    client = Client(enforce_csrf_checks=True)
    client.force_login(account(superuser=True))
    assert client.post(f"{LIST}{config.pk}/run/").status_code == 403
    assert not ExecutionLog.objects.exists()


# The address of each thing that a person may do with a schedule, and the permission it needs.
DOINGS = {
    "run/": TRIGGER,
    "change/": CHANGE,
    "enable/": CHANGE,
    "disable/": CHANGE,
    "history/{version}/revert/": CHANGE,
    "resume/": PAUSE,
    "../pause/?ids={pk}": PAUSE,
}


@pytest.mark.parametrize("permissions", [(), (VIEW,), *((VIEW, each) for each in (TRIGGER, CHANGE,
                         PAUSE)), (TRIGGER,), (CHANGE,), (PAUSE,)])  # fmt: skip
def test_each_doing_has_its_own_permission(permissions: tuple[str, ...]) -> None:
    config = JobConfigFactory.create(job_id=JOB, paused_at=timezone.now(), enabled=False)
    version, client = config.history.get().history_id, logged_in(*permissions)
    before = [*JobConfig.objects.values(), *ExecutionLog.objects.values()]
    for doing, needed in DOINGS.items():
        address = f"{LIST}{config.pk}/{doing}".format(pk=config.pk, version=version)
        address = address.replace(f"{config.pk}/../", "")
        # Whoever may change a row may see it; running and pausing needs to see it as well.
        sees = VIEW in permissions or CHANGE in permissions
        may = needed in permissions and sees
        assert client.post(address, GOOD).status_code == (302 if may else 403), doing
        now = [*JobConfig.objects.values(), *ExecutionLog.objects.values()]
        assert may or now == before, doing
        before = now


@pytest.mark.parametrize("permission", [VIEW, CHANGE, TRIGGER, PAUSE])
def test_reading_needs_its_own_permission(permission: str) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    client = logged_in(permission)
    status = 200 if permission in (VIEW, CHANGE) else 403
    for address in (LIST, page(config), f"{LIST}{config.pk}/history/"):
        assert client.get(address).status_code == status


@pytest.mark.parametrize(
    ("permission", "offered"),
    [(VIEW, ""), (CHANGE, "Disable"), (TRIGGER, "Run now"), (PAUSE, "Pause, with a reason")],
)
def test_a_row_offers_what_a_person_may_do(permission: str, offered: str) -> None:
    JobConfigFactory.create(job_id=JOB)
    text = logged_in(VIEW, permission).get(LIST).content.decode()
    shown = {words for words in ("Disable", "Run now", "Pause, with a reason")
             if f'title="{words}"' in text}  # fmt: skip
    assert shown == {offered} - {""}


def test_a_row_is_switched_run_and_resumed_at_one_click(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, paused_at=timezone.now())
    for click in ("disable", "enable", "run", "resume"):
        answer = client.post(f"{LIST}{config.pk}/{click}/?to=list")
        assert answer.headers["Location"] == LIST
        config.refresh_from_db()
        assert config.enabled == (click != "disable")
    assert config.paused_at is None
    assert ExecutionLog.objects.get().status == Status.QUEUED


def test_the_list_draws_how_long_the_last_runs_took(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB)
    for attempt, (status, took) in enumerate(
        [(Status.SUCCESS, 1000), (Status.SKIPPED_PAUSED, 0), (Status.FAILED, 60_000)], start=1
    ):
        ExecutionLogFactory.create(job_id=JOB, status=status, duration_ms=took, attempt=attempt)
    text = client.get(LIST).content.decode()
    assert "the last 2 runs; the newest took 1 min 00 s" in text
    assert (text.count('<rect class="run-bar"'), text.count('class="run-bar-bad"')) == (1, 1)


def test_it_shows_run_now_only_to_those_who_may() -> None:
    config = JobConfigFactory.create(job_id=JOB)
    assert "Run now" not in logged_in(VIEW).get(page(config)).content.decode()
    assert "Run now" in logged_in(VIEW, TRIGGER).get(page(config)).content.decode()


def waiting_follow_up(config: JobConfig) -> ExecutionLog:
    parked = ExecutionLogFactory.create(job_id=config.job_id, status=Status.CANCELLED)
    later = timezone.now() + dt.timedelta(hours=1)
    return ExecutionLog.objects.queue_follow_up(parked.pk, later)


def test_a_follow_up_that_waits_is_not_the_last_result(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    waiting_follow_up(config)
    for address in (LIST, page(config)):
        text = client.get(address).content.decode()
        assert "run-cancelled" in text
        assert "run-queued" not in text


@pytest.mark.parametrize("by", ["its page", "the action"])
def test_deleting_a_schedule_cancels_what_waits_for_it(
    client: Client, by: str, django_capture_on_commit_callbacks: Any
) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    follow_up = waiting_follow_up(config)
    retry = ExecutionLogFactory.create(
        queued=True, job_id=JOB, caused_by=Cause.RETRY, attempt=2, not_before=timezone.now()
    )
    asked_for = ExecutionLogFactory.create(queued=True, job_id=JOB, attempt=3)
    with django_capture_on_commit_callbacks(execute=True):
        if by == "its page":
            client.post(f"{LIST}{config.pk}/delete/", {"post": "yes"})
        else:
            chosen = {"action": "delete_selected", "_selected_action": [config.pk], "post": "yes"}
            client.post(LIST, chosen)
    assert not JobConfig.objects.filter(pk=config.pk).exists()
    statuses = []
    for execution in (follow_up, retry, asked_for):
        execution.refresh_from_db()
        statuses.append(execution.status)
    assert statuses == [Status.CANCELLED, Status.CANCELLED, Status.QUEUED]


@pytest.mark.parametrize("by", ["the form", "the action"])
def test_switching_off_cancels_the_follow_up_that_waits(
    client: Client, by: str, django_capture_on_commit_callbacks: Any
) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    follow_up = waiting_follow_up(config)
    off = {name: value for name, value in GOOD.items() if name != "enabled"}
    with django_capture_on_commit_callbacks(execute=True):
        if by == "the form":
            client.post(page(config), off)
        else:
            client.post(LIST, {"action": "disable", "_selected_action": [config.pk]})
    follow_up.refresh_from_db()
    assert follow_up.status == Status.CANCELLED


def test_disabling_again_cancels_what_parked_since(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, enabled=False)
    follow_up = waiting_follow_up(config)
    client.post(LIST, {"action": "disable", "_selected_action": [config.pk]})
    follow_up.refresh_from_db()
    assert follow_up.status == Status.CANCELLED


def test_an_edit_leaves_the_follow_up_waiting(
    client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    follow_up = waiting_follow_up(config)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(page(config), GOOD)
    follow_up.refresh_from_db()
    assert follow_up.status == Status.QUEUED


def test_it_says_that_no_scheduler_is_running(client: Client) -> None:
    answer = client.post(page(JobConfigFactory.create(job_id=JOB)), GOOD)
    assert "no scheduler is running" in said(answer)[-1]


def test_it_says_nothing_of_the_scheduler_when_nothing_changed_for_it(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, cron_expression="0 18 * * 1-5")
    answer = client.post(page(config), {**GOOD, "job_name": "Another name"})
    assert len(said(answer)) == 1


def test_it_says_that_the_running_scheduler_applied_it(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    scheduler_runs(applied=10**9)
    answer = client.post(page(config), GOOD)
    assert said(answer)[-1] == "Applied by the running scheduler (testhost:4711)."


def changed_while(process: Any, *, applied_after: int) -> list[str]:
    """The messages of a change that the scheduler applies after so many looks."""
    request = RequestFactory().post("/")
    request._messages = said_here = Messages()  # type: ignore[attr-defined]
    ticks, looks = itertools.count(), itertools.count(1)

    def sleep(seconds: float) -> None:
        if next(looks) == applied_after:
            process.revision_applied = ScheduleRevision.objects.get().value
            process.save()

    def change() -> Any:
        JobConfigFactory.create(job_id=JOB)
        return None

    applied.telling(request, change, clock=lambda: next(ticks) * 0.1, sleep=sleep)
    return said_here.texts


class Messages:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, level: int, message: str, extra_tags: str = "") -> None:
        self.texts.append(str(message))


def test_it_waits_for_the_scheduler_to_apply_it() -> None:
    assert changed_while(scheduler_runs(), applied_after=3) == [
        "Applied by the running scheduler (testhost:4711)."
    ]


def test_it_waits_no_longer_than_two_seconds() -> None:
    (text,) = changed_while(scheduler_runs(), applied_after=1000)
    assert "has not confirmed it within 2 seconds" in text


def test_it_tells_the_scheduler_of_a_deleted_row(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    scheduler_runs(applied=10**9)
    answer = client.post(f"{LIST}{config.pk}/delete/", {"post": "yes"})
    assert "Applied by the running scheduler" in said(answer)[-1]


def test_the_form_of_a_row_read_only_shows_its_fields() -> None:
    config = JobConfigFactory.create(job_id=JOB, job_kwargs={"days": 4})
    text = logged_in(VIEW).get(page(config)).content.decode()
    assert "0 18 * * *" in text
    assert 'name="cron_expression"' not in text


def test_moments_carry_their_zone() -> None:
    from scheduler_app.admin import look

    moment = dt.datetime(2026, 3, 2, 18, 0, 5, tzinfo=dt.UTC)
    assert look.moment(moment) == "Mon 2026-03-02 18:00:05 UTC"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "–"),
        (5, "5 ms"),
        (12_340, "12.3 s"),
        (245_000, "4 min 05 s"),
        (7_800_000, "2 h 10 min"),
    ],
)
def test_durations_are_readable(milliseconds: int | None, text: str) -> None:
    from scheduler_app.admin import look

    assert look.duration(milliseconds) == text
