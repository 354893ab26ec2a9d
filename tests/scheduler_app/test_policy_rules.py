"""The policies of a schedule, as API, form and seeds take them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from scheduler_app import configs, policy_rules, seeds
from scheduler_app.errors import InvalidSchedule
from scheduler_app.models import JobConfig
from scheduler_app.registry import JobRegistry
from tests.factories import JobConfigFactory
from tests.processes import REPOSITORY
from tests.scheduler_app.web import JOB, logged_in, registered

pytestmark = pytest.mark.django_db

ADDRESS = f"/api/scheduler/jobs/{JOB}"
LIST = "/admin/scheduler_app/jobconfig/"
GOOD: dict[str, Any] = {
    "run_calendar": "exchange",
    "misfire_policy": "run_all",
    "misfire_window_seconds": 3600,
    "start_deadline_seconds": 60,
    "overlap_policy": "queue_one",
    "time_limit_seconds": 7200,
    "runs_in_subprocess": True,
    "max_retries": 3,
    "retry_delay_seconds": 30,
    "retry_backoff": 2.5,
    "pause_after_failures": 4,
    "success_by": "19:30",
    "retention_days": 30,
    "retention_runs": 1000,
}


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def stored() -> dict[str, Any]:
    return JobConfig.objects.values(*policy_rules.POLICIES).get(job_id=JOB)


def test_every_policy_has_a_good_example_here() -> None:
    assert set(GOOD) == set(policy_rules.POLICIES)


def test_the_reference_tells_every_policy_with_its_default() -> None:
    text = (REPOSITORY / "docs/reference/policies.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| `?(\w+)`? \|", text, re.MULTILINE))
    expected = {
        name: str(value).lower() if isinstance(value, bool) else f"{value:g}"
        if isinstance(value, float) else str(value) or "none"
        for name, value in policy_rules.defaults().items()
    }  # fmt: skip
    assert told == expected


def test_the_database_starts_a_schedule_as_the_model_does() -> None:
    JobConfig.objects.bulk_create([JobConfig(job_id=JOB, cron_expression="0 18 * * *")])
    assert stored() == policy_rules.defaults()


@pytest.mark.parametrize(
    ("action", "body"),
    [("schedule", {"cron_expression": "0 18 * * *"}), ("start", {"interval_seconds": 60})],
)
def test_the_api_takes_every_policy_and_shows_it(
    client: Client, action: str, body: dict[str, object]
) -> None:
    answer = client.post(f"{ADDRESS}/{action}", {**body, **GOOD}, "application/json")
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in GOOD} == GOOD
    assert stored() == GOOD


def test_what_the_api_is_not_given_stays(client: Client) -> None:
    JobConfigFactory(job_id=JOB, **GOOD)
    body = {"cron_expression": "0 19 * * *", "max_retries": 0, "retry_backoff": None}
    assert client.post(f"{ADDRESS}/schedule", body, "application/json").status_code == 200
    assert stored() == GOOD | {"max_retries": 0}


BAD = [
    ("run_calendar", "moon", "it takes one of every_day, exchange"),
    ("run_calendar", 5, "it takes one of every_day, exchange"),
    ("misfire_policy", "maybe", "it takes one of skip, run_once, run_all"),
    ("misfire_window_seconds", 0, "a whole number of seconds from 1 to 31536000"),
    ("start_deadline_seconds", -1, "a whole number of seconds from 0 (none) to 31536000"),
    ("overlap_policy", ["skip"], "it takes one of skip, queue_one, cancel_running"),
    ("time_limit_seconds", 1.5, "a whole number of seconds"),
    ("time_limit_seconds", True, "a whole number of seconds"),
    ("runs_in_subprocess", 1, "it takes true or false"),
    ("max_retries", 21, "a whole number of retries from 0 (none) to 20"),
    ("retry_delay_seconds", "60", "a whole number of seconds"),
    ("retry_backoff", 0.5, "it takes a number from 1 to 100"),
    ("retry_backoff", 10**400, "it takes a number from 1 to 100"),
    ("pause_after_failures", 10**9, "a whole number of failures from 0 (none) to 1000"),
    ("success_by", "24:00", "it takes a time of day such as 19:30, or empty text for none"),
    ("success_by", 1930, "it takes a time of day"),
    ("retention_days", 36_501, "a whole number of days from 0 (none) to 36500"),
    ("retention_runs", {}, "a whole number of executions"),
]


@pytest.mark.parametrize(("field", "value", "words"), BAD)
def test_the_api_refuses_a_bad_policy_with_a_sentence(
    client: Client, field: str, value: object, words: str
) -> None:
    body = {"cron_expression": "0 18 * * *", field: value}
    answer = client.post(f"{ADDRESS}/schedule", body, "application/json")
    assert answer.status_code == 400
    (sentence,) = answer.json()["errors"][field]
    assert sentence.startswith(f"The {field} is ")
    assert words in sentence
    assert not JobConfig.objects.filter(job_id=JOB).exists()


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_factor_that_is_no_number_is_refused(factor: float) -> None:
    with pytest.raises(InvalidSchedule, match="it takes a number from 1 to 100"):
        configs.schedule_cron(JOB, "0 18 * * *", policies={"retry_backoff": factor})


def test_a_policy_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(InvalidSchedule, match="no policy 'retries'. The policies are: run_calen"):
        configs.schedule_cron(JOB, "0 18 * * *", policies={"retries": 2})


FORM = {
    "job_id": JOB,
    "job_name": "Example",
    "enabled": "on",
    "trigger": "cron",
    "cron_expression": "0 18 * * *",
    "interval_seconds": "",
    "timezone": "Asia/Shanghai",
    "job_kwargs": "{}",
}


def test_the_form_takes_every_policy(client: Client) -> None:
    fields = {name: "on" if value is True else str(value) for name, value in GOOD.items()}
    assert client.post(f"{LIST}add/", {**FORM, **fields}).status_code == 302
    assert stored() == GOOD


def test_an_empty_box_of_the_form_leaves_the_policy_as_it_was(client: Client) -> None:
    config = JobConfigFactory(job_id=JOB, **GOOD)
    kept = {"run_calendar": "exchange", "runs_in_subprocess": "on", "max_retries": ""}
    assert client.post(f"{LIST}{config.pk}/change/", {**FORM, **kept}).status_code == 302
    assert stored() == GOOD


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("max_retries", "21", "from 0 (none) to 20"),
        ("retry_backoff", "0.5", "it takes a number from 1 to 100"),
        ("retry_backoff", "nan", "Enter a number"),
        ("run_calendar", "moon", "valid choice"),
        ("overlap_policy", "both", "valid choice"),
    ],
)
def test_the_form_refuses_a_bad_policy_at_its_field(
    client: Client, field: str, value: str, words: str
) -> None:
    fields = {"run_calendar": "every_day", field: value}
    answer = client.post(f"{LIST}add/", {**FORM, **fields})
    assert answer.status_code == 200
    assert words in " ".join(answer.context["adminform"].form.errors[field])
    assert not JobConfig.objects.filter(job_id=JOB).exists()


def test_a_calendar_that_this_version_does_not_have_is_shown_and_has_to_be_changed(
    client: Client,
) -> None:
    config = JobConfigFactory(job_id=JOB, run_calendar="moon")
    page = client.get(f"{LIST}{config.pk}/change/").content.decode()
    assert '<option value="moon" selected>' in page
    assert "this version has no run calendar" in page
    answer = client.post(f"{LIST}{config.pk}/change/", {**FORM, "run_calendar": "moon"})
    errors = answer.context["adminform"].form.errors["run_calendar"]
    assert "it takes one of every_day" in " ".join(errors)


def test_the_preview_leaves_out_what_the_calendar_leaves_out(client: Client) -> None:
    query = {"cron_expression": "0 18 * * *", "run_calendar": "every_day"}
    answer = client.get("/api/scheduler/preview", query).json()
    assert (len(answer["next_runs"]), answer["days_left_out"]) == (6, [])
    answer = client.get("/api/scheduler/preview", {**query, "run_calendar": "moon"})
    assert answer.status_code == 400
    assert "it takes one of every_day" in answer.json()["errors"]["run_calendar"][0]


def test_a_reset_restores_the_policies_and_ends_a_pause(jobs: JobRegistry) -> None:
    JobConfigFactory(job_id="copy_files", **GOOD)
    config = JobConfig.objects.get(job_id="copy_files")
    seeds.seed(jobs=jobs)
    config.refresh_from_db()
    assert config.max_retries == GOOD["max_retries"]
    seeds.seed(reset=["copy_files"], jobs=jobs)
    found = JobConfig.objects.values(*policy_rules.POLICIES).get(job_id="copy_files")
    assert found == policy_rules.defaults()
