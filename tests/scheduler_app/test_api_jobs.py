"""Jobs over HTTP: what they look like, and how they are scheduled, stopped and triggered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import JOB, logged_in, post, registered

pytestmark = pytest.mark.django_db

JOBS = "/api/scheduler/jobs"


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def refused(answer: Any, field: str) -> str:
    """The sentence at the field of a 400."""
    assert answer.status_code == 400, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == 400
    (sentence,) = body["errors"][field]
    assert sentence in body["detail"]
    return str(sentence)


def test_it_lists_a_job_that_was_never_scheduled(client: Client) -> None:
    (job,) = [j for j in client.get(JOBS).json()["results"] if j["job_id"] == JOB]
    assert not job["enabled"]
    assert job["next_runs"] == []
    assert job["last_execution"] is None
    assert job["not_built"] == "The hard part is not built."


def test_it_lists_the_seeded_schedules_with_six_next_runs(client: Client) -> None:
    jobs = {job["job_id"]: job for job in client.get(JOBS).json()["results"]}
    assert jobs["sync_daily_by_date"]["enabled"]
    assert len(jobs["sync_daily_by_date"]["next_runs"]) == 6


def test_it_names_the_fields_of_the_interface(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB)
    assert client.get(f"{JOBS}/{JOB}").json().keys() >= {
        "job_id", "job_name", "trigger", "cron_expression", "interval_seconds", "timezone",
        "enabled", "job_kwargs", "next_runs", "last_execution",
    }  # fmt: skip


def test_it_gives_next_runs_with_the_offset_of_the_schedule(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB, timezone="Asia/Kolkata", cron_expression="15 9 * * *")
    runs = client.get(f"{JOBS}/{JOB}").json()["next_runs"]
    assert all(run.endswith("T09:15:00+05:30") for run in runs)


def test_it_says_why_a_broken_row_cannot_fire(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB, cron_expression="0 0 31 2 *")
    job = client.get(f"{JOBS}/{JOB}").json()
    assert job["next_runs"] == []
    assert "never fires" in job["schedule_error"]


def test_it_shows_a_schedule_whose_job_is_gone(client: Client) -> None:
    JobConfigFactory.create(job_id="retired")
    assert client.get(f"{JOBS}/retired").json()["registered"] is False


def test_it_shows_the_newest_execution_as_the_last(client: Client) -> None:
    for hour in (9, 8):
        moment = dt.datetime(2026, 3, 2, hour, tzinfo=dt.UTC)
        ExecutionLogFactory.create(job_id=JOB, scheduled_for=moment)
    last = client.get(f"{JOBS}/{JOB}").json()["last_execution"]
    assert last["started_at"] == "2026-03-02T17:00:00+08:00"


def test_a_follow_up_that_waits_is_not_the_last_execution(client: Client) -> None:
    parked = ExecutionLogFactory.create(job_id=JOB, status=Status.CANCELLED)
    later = timezone.now() + dt.timedelta(hours=1)
    follow_up = ExecutionLog.objects.queue_follow_up(parked.pk, later)
    job = client.get(f"{JOBS}/{JOB}").json()
    assert job["last_execution"]["id"] == parked.pk
    assert dt.datetime.fromisoformat(job["goes_on_at"]) == follow_up.scheduled_for


def test_a_follow_up_that_is_due_is_the_last_execution(client: Client) -> None:
    parked = ExecutionLogFactory.create(job_id=JOB, status=Status.CANCELLED)
    follow_up = ExecutionLog.objects.queue_follow_up(parked.pk, timezone.now())
    job = client.get(f"{JOBS}/{JOB}").json()
    assert (job["last_execution"]["id"], job["goes_on_at"]) == (follow_up.pk, None)


def test_it_says_in_words_what_a_job_takes(client: Client) -> None:
    takes = client.get(f"{JOBS}/{JOB}").json()["takes"]
    assert takes == "start: a date as YYYY-MM-DD, optional; days: a whole number, optional [5]"


def test_it_asks_no_more_queries_for_more_jobs(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        config = JobConfigFactory.create(job_id=f"retired_{number}")
        ExecutionLogFactory.create(job_id=config.job_id)
    with django_assert_max_num_queries(5):
        client.get(JOBS)


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_lists_the_known_jobs_for_an_unknown_one(client: Client, method: str) -> None:
    path = f"{JOBS}/no_such_job" + ("/trigger" if method == "post" else "")
    answer = getattr(client, method)(path, content_type="application/json")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert JOB in answer.json()["detail"]
    assert "no_such_job" in answer.json()["detail"]


@pytest.mark.parametrize("action", ["", "/schedule", "/start", "/stop", "/trigger"])
def test_it_survives_a_nul_in_the_job_id(client: Client, action: str) -> None:
    path = f"{JOBS}/a%00b{action}"
    answer = post(client, path) if action else client.get(path)
    assert answer.status_code == 404


def test_it_schedules_by_cron(client: Client) -> None:
    body = {
        "cron_expression": "7 3 * * 1-5",
        "timezone": "UTC",
        "job_kwargs": {"days": 3},
        "job_name": "Mine",
    }
    answer = post(client, f"{JOBS}/{JOB}/schedule", body)
    assert answer.status_code == 200
    assert answer.json().items() >= {**body, "enabled": True, "trigger": "cron"}.items()
    config = JobConfig.objects.get(job_id=JOB)
    assert (config.cron_expression, config.timezone) == ("7 3 * * 1-5", "UTC")


def test_it_schedules_by_hour_and_minute(client: Client) -> None:
    answer = post(client, f"{JOBS}/{JOB}/schedule", {"hour": 18, "minute": 5})
    assert answer.json()["cron_expression"] == "5 18 * * *"


def test_it_enables_a_stopped_schedule_and_keeps_what_is_not_given(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB, enabled=False, timezone="UTC", job_kwargs={"days": 9})
    job = post(client, f"{JOBS}/{JOB}/schedule", {"cron_expression": "0 1 * * *"}).json()
    assert (job["enabled"], job["timezone"], job["job_kwargs"]) == (True, "UTC", {"days": 9})


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"cron_expression": "61 * * * *"}, "cron_expression", "'61' is not one of 0 to 59"),
        ({"cron_expression": "0 0 31 2 *"}, "cron_expression", "never fires"),
        ({"cron_expression": 5}, "cron_expression", "text such as"),
        ({"cron_expression": "0 1 * * *", "timezone": "Mars/Base"}, "timezone", "'Mars/Base'"),
        ({"cron_expression": "0 1 * * *", "job_kwargs": {"no": 1}}, "job_kwargs", "takes: start, days"),
        ({"cron_expression": "0 1 * * *", "job_kwargs": [1]}, "job_kwargs", "JSON object"),
        ({"cron_expression": "0 1 * * *", "job_name": "x" * 201}, "job_name", "at most 200"),
        ({"cron_expression": "0 1 * * *", "hour": 3}, "cron_expression", "not both"),
        ({"hour": 99, "minute": 0}, "hour", "from 0 to 23"),
        ({"hour": 9, "minute": 60}, "minute", "from 0 to 59"),
        ({"minute": 5}, "hour", "without its hour"),
        ({}, "cron_expression", "neither is there"),
        ({"cron": "0 1 * * *"}, "cron", "The fields are: cron_expression, hour, minute"),
    ],
)  # fmt: skip
def test_it_refuses_a_schedule_with_a_sentence(
    client: Client, body: object, field: str, words: str
) -> None:
    assert words in refused(post(client, f"{JOBS}/{JOB}/schedule", body), field)
    assert not JobConfig.objects.filter(job_id=JOB).exists()


@pytest.mark.parametrize(
    ("body", "seconds"), [({"interval_seconds": 90}, 90), ({"interval_minutes": 5}, 300)]
)
def test_it_starts_an_interval(client: Client, body: object, seconds: int) -> None:
    job = post(client, f"{JOBS}/{JOB}/start", body).json()
    assert (job["trigger"], job["interval_seconds"], job["enabled"]) == ("interval", seconds, True)
    first, second = (dt.datetime.fromisoformat(run) for run in job["next_runs"][:2])
    assert second - first == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"interval_seconds": 0}, "interval_seconds"),
        ({"interval_seconds": "60"}, "interval_seconds"),
        ({"interval_seconds": 10**30}, "interval_seconds"),
        ({"interval_seconds": 60, "interval_minutes": 1}, "interval_seconds"),
        ({"interval_minutes": 1.5}, "interval_minutes"),
        ({"interval_minutes": True}, "interval_minutes"),
        ({"interval_minutes": 10**30}, "interval_minutes"),
        ({}, "interval_seconds"),
        ({"seconds": 60}, "seconds"),
    ],
)
def test_it_refuses_an_interval_with_a_sentence(client: Client, body: object, field: str) -> None:
    refused(post(client, f"{JOBS}/{JOB}/start", body), field)
    assert not JobConfig.objects.filter(job_id=JOB).exists()


def test_it_stops_a_schedule(client: Client) -> None:
    JobConfigFactory.create(job_id=JOB)
    answer = post(client, f"{JOBS}/{JOB}/stop")
    assert answer.json()["enabled"] is False
    assert answer.json()["next_runs"] == []
    assert not JobConfig.objects.get(job_id=JOB).enabled


def test_it_cannot_stop_what_has_no_schedule(client: Client) -> None:
    answer = post(client, f"{JOBS}/{JOB}/stop")
    assert answer.status_code == 409
    assert JOB in answer.json()["detail"]


def test_it_queues_a_run_and_says_where_it_is(client: Client) -> None:
    answer = post(client, f"{JOBS}/{JOB}/trigger", {"job_kwargs": {"days": 2}})
    assert answer.status_code == 202
    execution = client.get(answer.headers["Location"]).json()
    assert execution["id"] == answer.json()["id"]
    assert execution["status"] == Status.QUEUED
    assert execution["caused_by"] == Cause.API
    assert execution["triggered_by"] == "superuser"
    assert execution["job_kwargs"] == {"days": 2}


def test_it_queues_without_any_body(client: Client) -> None:
    assert client.post(f"{JOBS}/{JOB}/trigger/").status_code in (202, 415)
    assert client.generic("POST", f"{JOBS}/{JOB}/trigger").status_code == 202


def test_it_runs_once_for_one_idempotency_key(client: Client) -> None:
    first, second = (
        post(client, f"{JOBS}/{JOB}/trigger", {}, headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["Location"] == second.headers["Location"]
    assert ExecutionLog.objects.filter(job_id=JOB).count() == 1


def test_it_refuses_a_key_that_was_used_for_other_arguments(client: Client) -> None:
    path, key = f"{JOBS}/{JOB}/trigger", {"Idempotency-Key": "k1"}
    post(client, path, {"job_kwargs": {"days": 1}}, headers=key)
    answer = post(client, path, {"job_kwargs": {"days": 2}}, headers=key)
    assert answer.status_code == 409
    assert ExecutionLog.objects.filter(job_id=JOB).count() == 1


@pytest.mark.parametrize("key", ["", "   ", "x" * 256])
def test_it_refuses_a_key_that_cannot_be_one(client: Client, key: str) -> None:
    answer = post(client, f"{JOBS}/{JOB}/trigger", {}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert not ExecutionLog.objects.filter(job_id=JOB).exists()


def test_it_refuses_a_run_with_arguments_the_job_does_not_take(client: Client) -> None:
    answer = post(client, f"{JOBS}/{JOB}/trigger", {"job_kwargs": {"days": "many"}})
    assert "days" in refused(answer, "job_kwargs")
    assert not ExecutionLog.objects.filter(job_id=JOB).exists()


@pytest.mark.parametrize("slash", ["", "/"])
def test_it_takes_any_address_with_and_without_a_slash(client: Client, slash: str) -> None:
    ExecutionLogFactory.create(id=7)
    for path in ("status", "jobs", f"jobs/{JOB}", "executions", "executions/7"):
        assert client.get(f"/api/scheduler/{path}{slash}").status_code == 200
    assert post(client, f"{JOBS}/{JOB}/trigger{slash}").status_code == 202
