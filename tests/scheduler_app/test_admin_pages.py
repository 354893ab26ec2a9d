"""The overview, executions, the mirror and tokens in the admin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from knox.models import AuthToken

from scheduler_app.admin import paging
from scheduler_app.models import Cause, ExecutionLog, Status
from tests.datasync_app.factories import LedgerFactory, SyncTaskFactory, TushareCallFactory
from tests.factories import (
    MONDAY_SIX,
    ExecutionLogFactory,
    JobConfigFactory,
    SchedulerProcessFactory,
)
from tests.scheduler_app.web import (
    JOB,
    VIEW,
    VIEW_EXECUTIONS,
    account,
    logged_in,
    registered,
    scheduler_runs,
)

pytestmark = pytest.mark.django_db

EXECUTIONS = "/admin/scheduler_app/executionlog/"


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_root_leads_to_the_admin() -> None:
    assert Client().get("/").headers["Location"] == "/admin/"


def test_the_overview_is_called_stocksync(client: Client) -> None:
    assert "Overview | StockSync</title>" in text_of(client, "/admin/")


def test_the_overview_says_that_no_scheduler_is_running(client: Client) -> None:
    SchedulerProcessFactory.create(heartbeat_at=timezone.now() - dt.timedelta(seconds=90))
    text = text_of(client, "/admin/")
    assert "No scheduler is running" in text
    assert "the last heartbeat was 90 s ago" in text


def test_the_overview_names_the_running_scheduler(client: Client) -> None:
    scheduler_runs()
    text = text_of(client, "/admin/")
    assert "The scheduler is running" in text
    assert "testhost:4711" in text
    assert "every change is applied" in text


def test_the_overview_shows_schedules_with_next_runs_and_results(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB, job_name="Mine", cron_expression="30 9 * * *")
    ExecutionLogFactory.create(
        job_id=JOB, status=Status.FAILED, error_message="The source said no."
    )
    text = text_of(client, "/admin/")
    for words in ("Mine", "every day at 09:30", " 09:30 CST", "run-failed", "The source said no."):
        assert words in text


def test_the_overview_shows_when_a_run_goes_on(client: Client) -> None:
    parked = ExecutionLogFactory.create(job_id=JOB, status=Status.CANCELLED)
    later = timezone.now() + dt.timedelta(hours=1)
    follow_up = ExecutionLog.objects.queue_follow_up(parked.pk, later)
    text = text_of(client, "/admin/")
    moment = timezone.localtime(follow_up.scheduled_for)
    assert "goes on at <span" in text
    assert f"{moment:%Y-%m-%d %H:%M}" in text


def test_the_overview_shows_ten_executions(client: Client) -> None:
    for hour in range(12):
        ExecutionLogFactory.create(job_id=JOB, scheduled_for=MONDAY_SIX + dt.timedelta(hours=hour))
    assert text_of(client, "/admin/").count(f'<th scope="row">{JOB}</th>') == 10


def test_the_overview_shows_each_only_what_they_may_see() -> None:
    assert "Schedules" not in text_of(logged_in(), "/admin/")
    assert "Latest executions" in text_of(logged_in(VIEW_EXECUTIONS), "/admin/")
    assert "every day at 18:00" in text_of(logged_in(VIEW), "/admin/")


def test_the_overview_asks_the_same_queries_for_any_number_of_rows(client: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/admin/")
        return len(queries)

    # How far runs are is asked once for all of them, where there is one.
    ExecutionLogFactory.create(job_id=JOB, running=True)
    few = asked()
    for _ in range(20):
        job_id = JobConfigFactory.create().job_id
        ExecutionLogFactory.create(job_id=job_id, status=Status.FAILED)
        ExecutionLogFactory.create(job_id=job_id, running=True, attempt=2)
        SyncTaskFactory.create(job_type=job_id, execution_id=1)
        LedgerFactory.create(dataset=job_id)
        TushareCallFactory.create(api_name=job_id, at=timezone.now())
    assert asked() == few <= 20


def test_a_hostile_name_stays_text(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB, job_name="<script>alert(1)</script>")
    ExecutionLogFactory.create(job_id=JOB, error_message="<script>alert(2)</script>")
    for path in ("/admin/", EXECUTIONS, "/admin/scheduler_app/jobconfig/"):
        assert "<script>alert" not in text_of(client, path)


def test_executions_are_listed_and_filtered(client: Client) -> None:
    failed = ExecutionLogFactory.create(job_id=JOB, status=Status.FAILED, caused_by=Cause.API)
    other = ExecutionLogFactory.create(job_id=JOB, attempt=2)
    for query in ("status__exact=FAILED", "caused_by__exact=api", f"job_id={JOB}&status=FAILED"):
        found = client.get(f"{EXECUTIONS}?{query.replace('status=', 'status__exact=')}")
        assert list(found.context["cl"].result_list) == [failed]
    found = client.get(f"{EXECUTIONS}?job_id={JOB}")
    assert list(found.context["cl"].result_list) == [other, failed]


def test_an_execution_shows_result_error_log_and_traceback(client: Client) -> None:
    row = ExecutionLogFactory.create(
        result={"rows": 5},
        error_message="It broke.",
        log="a line <b>",
        traceback="Traceback: here",
        duration_ms=245_000,
    )
    text = text_of(client, f"{EXECUTIONS}{row.pk}/change/")
    for words in (
        "&quot;rows&quot;: 5",
        "It broke.",
        "a line &lt;b&gt;",
        "Traceback: here",
        "4 min",
    ):
        assert words in text


def test_a_running_execution_shows_how_long_so_far(client: Client) -> None:
    started = timezone.now() - dt.timedelta(seconds=65)
    ExecutionLogFactory.create(running=True, started_at=started)
    assert "1 min 05 s so far" in text_of(client, EXECUTIONS)


def test_executions_are_never_edited(client: Client) -> None:
    row = ExecutionLogFactory.create()
    assert client.get(f"{EXECUTIONS}add/").status_code == 403
    assert client.post(f"{EXECUTIONS}{row.pk}/change/", {"status": "x"}).status_code == 403
    assert client.post(f"{EXECUTIONS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ExecutionLog.objects.filter(pk=row.pk).exists()


def test_the_list_counts_no_further_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNTED_AT_MOST", 2)
    for attempt in (1, 2, 3):
        ExecutionLogFactory.create(job_id=JOB, attempt=attempt)
    assert paging.BoundedPaginator(ExecutionLog.objects.all(), 50).count == 2


def test_the_mirror_is_to_read(client: Client) -> None:
    DjangoJob.objects.create(id=JOB, next_run_time=MONDAY_SIX, job_state=b"")
    path = "/admin/django_apscheduler/djangojob/"
    text = text_of(client, path)
    assert "Loaded in the scheduler" in text
    assert "Mon 2026-03-02 18:00 CST" in text
    assert client.post(f"{path}{JOB}/delete/", {"post": "yes"}).status_code == 403
    assert "run_selected_jobs" not in text
    assert DjangoJob.objects.filter(id=JOB).exists()


def test_the_other_history_has_no_page(client: Client) -> None:
    assert client.get("/admin/django_apscheduler/djangojobexecution/").status_code == 404


def test_tokens_are_listed_without_their_digest(client: Client) -> None:
    token, _text = AuthToken.objects.create(account())
    text = text_of(client, "/admin/knox/authtoken/")
    assert token.token_key[:8] in text
    assert f">{token.digest}" not in text


def test_a_token_made_in_the_admin_lasts_a_year_unless_told_otherwise(client: Client) -> None:
    form = client.get("/admin/knox/authtoken/add/").context["adminform"].form
    ahead = form.get_initial_for_field(form.fields["expiry"], "expiry") - timezone.now()
    assert dt.timedelta(days=364) < ahead < dt.timedelta(days=366)


def test_staff_make_no_token_for_somebody_who_may_more() -> None:
    boss, clerk = account(superuser=True), account()
    for permission in Permission.objects.filter(content_type__app_label="knox"):
        clerk.user_permissions.add(permission)
    client = Client()
    client.force_login(clerk)
    for user, made in ((boss, False), (clerk, True)):
        client.post("/admin/knox/authtoken/add/", {"user": user.pk, "expiry_0": "", "expiry_1": ""})
        assert AuthToken.objects.filter(user=user).exists() == made


def test_a_revoked_token_logs_nobody_in(client: Client) -> None:
    revoked, text = AuthToken.objects.create(account())
    kept, other = AuthToken.objects.create(account("view_jobconfig"))
    act = {"action": "revoke", "_selected_action": [revoked.pk]}
    refused = logged_in("view_authtoken").post("/admin/knox/authtoken/", act, follow=True)
    assert "revoked" not in refused.content.decode()
    assert AuthToken.objects.filter(pk=revoked.pk).exists()
    answer = client.post("/admin/knox/authtoken/", act, follow=True)
    assert "1 tokens are revoked" in answer.content.decode()
    assert list(AuthToken.objects.all()) == [kept]
    for token, status in ((text, 401), (other, 200)):
        headers = {"Authorization": f"Token {token}"}
        assert Client().get("/api/scheduler/jobs", headers=headers).status_code == status
