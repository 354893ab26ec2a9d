"""Pause and resume, from the API and from the admin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from scheduler_app import pauses
from scheduler_app.errors import InvalidSchedule, NotScheduled
from scheduler_app.models import JobConfig, ScheduleRevision
from tests.factories import JobConfigFactory
from tests.scheduler_app.web import CHANGE, JOB, PAUSE, TRIGGER, VIEW, logged_in, registered

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADDRESS = f"/api/scheduler/jobs/{JOB}"
LIST = "/admin/scheduler_app/jobconfig/"


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def row() -> JobConfig:
    return JobConfig.objects.get(job_id=JOB)


def post(client: Client, action: str, **body: object) -> Any:
    return client.post(f"{ADDRESS}/{action}", body, content_type="application/json")


def test_a_pause_names_who_why_and_until_when() -> None:
    JobConfigFactory(job_id=JOB)
    until = NOON + timedelta(hours=1)
    pauses.pause(JOB, by="ann", reason="moving", until=until, now=NOON)
    paused = row()
    assert (paused.paused_at, paused.paused_by) == (NOON, "ann")
    assert (paused.paused_reason, paused.paused_until) == ("moving", until)


def test_a_resume_leaves_nothing_of_the_pause() -> None:
    JobConfigFactory(job_id=JOB)
    pauses.pause(JOB, by="ann", reason="moving", until=NOON + timedelta(hours=1), now=NOON)
    pauses.resume(JOB, by="bob", now=NOON)
    resumed = row()
    assert (resumed.paused_at, resumed.paused_until) == (None, None)
    assert (resumed.paused_by, resumed.paused_reason, resumed.resumed_at) == ("", "", NOON)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"until": NOON}, "until", "2026-03-02 12:00:00 UTC, which is past"),
        ({"reason": "x" * 501}, "reason", "has 501 characters"),
        ({"reason": "a\0b"}, "reason", "cannot be stored"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(
    change: dict[str, Any], field: str, words: str
) -> None:
    JobConfigFactory(job_id=JOB)
    with pytest.raises(InvalidSchedule) as caught:
        pauses.pause(JOB, by="ann", now=NOON, **change)
    assert words in caught.value.errors[field]
    assert row().paused_at is None


def test_a_job_without_a_schedule_has_nothing_to_pause() -> None:
    with pytest.raises(NotScheduled, match="has no schedule to pause"):
        pauses.pause(JOB, by="ann", now=NOON)
    with pytest.raises(NotScheduled, match="has no schedule to resume"):
        pauses.resume(JOB, by="ann", now=NOON)


def test_the_api_pauses_and_resumes(client: Client) -> None:
    JobConfigFactory(job_id=JOB)
    until = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    answer = post(client, "pause", reason="moving", until=until.isoformat())
    assert answer.status_code == 200
    paused = answer.json()["paused"]
    assert (paused["by"], paused["reason"]) == ("superuser", "moving")
    assert datetime.fromisoformat(paused["until"]) == until
    runs = [datetime.fromisoformat(moment) for moment in answer.json()["next_runs"]]
    assert min(runs) >= until
    answer = post(client, "resume")
    assert (answer.status_code, answer.json()["paused"]) == (200, None)


def test_a_pause_that_is_over_is_not_shown_as_one(client: Client) -> None:
    past = timezone.now() - timedelta(hours=1)
    JobConfigFactory(job_id=JOB, paused_at=past, paused_until=past)
    assert client.get(ADDRESS).json()["paused"] is None


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"until": "tomorrow"}, "until", "takes a moment with its offset"),
        ({"until": "2099-03-02T18:00:00"}, "until", "takes a moment with its offset"),
        ({"until": 5}, "until", "takes a moment with its offset"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until", "takes a moment with its offset"),
        ({"until": "2020-01-01T00:00:00Z"}, "until", "which is past"),
        ({"reason": 5}, "reason", "it takes text"),
        ({"why": "x"}, "why", "The fields are: reason, until."),
    ],
)
def test_the_api_refuses_a_bad_pause_with_a_sentence(
    client: Client, body: dict[str, object], field: str, words: str
) -> None:
    JobConfigFactory(job_id=JOB)
    answer = post(client, "pause", **body)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][field][0]
    assert row().paused_at is None


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_the_api_says_what_there_is_not(client: Client, action: str) -> None:
    assert post(client, action).status_code == 409
    assert client.post("/api/scheduler/jobs/nope/pause").status_code == 404


@pytest.mark.parametrize(
    ("permissions", "status"), [((), 403), ((VIEW, TRIGGER, CHANGE), 403), ((PAUSE,), 200)]
)
def test_pausing_needs_its_own_permission(permissions: tuple[str, ...], status: int) -> None:
    JobConfigFactory(job_id=JOB)
    client = logged_in(*permissions)
    assert post(client, "pause").status_code == status
    assert post(client, "resume").status_code == status


def test_the_action_asks_why_and_until_when(client: Client) -> None:
    config = JobConfigFactory(job_id=JOB)
    answer = client.post(LIST, {"action": "pause", "_selected_action": [config.pk]})
    assert answer.headers["Location"] == f"{LIST}pause/?ids={config.pk}"
    page = client.get(answer.headers["Location"]).content.decode()
    assert JOB in page
    assert 'type="datetime-local"' in page
    assert row().paused_at is None


def test_the_page_pauses_every_schedule_it_names(client: Client) -> None:
    one, two = JobConfigFactory(job_id=JOB), JobConfigFactory()
    other = JobConfigFactory()
    until = (timezone.localtime() + timedelta(days=1)).replace(second=0, microsecond=0)
    fields = {"reason": "moving", "until": f"{until:%Y-%m-%dT%H:%M}"}
    answer = client.post(f"{LIST}pause/?ids={one.pk},{two.pk}", fields)
    assert answer.headers["Location"] == LIST
    paused = JobConfig.objects.filter(paused_at__isnull=False)
    assert {(config.pk, config.paused_until) for config in paused} == {
        (one.pk, until),
        (two.pk, until),
    }
    assert other not in paused
    assert LogEntry.objects.filter(change_message__startswith="Paused ").count() == 2


def test_the_page_says_why_a_pause_is_refused(client: Client) -> None:
    config = JobConfigFactory(job_id=JOB)
    answer = client.post(f"{LIST}pause/?ids={config.pk}", {"until": "2020-01-01T00:00"})
    assert answer.status_code == 200
    assert "which is past" in answer.content.decode()
    assert row().paused_at is None


@pytest.mark.parametrize("ids", ["", "x", "999999", "9" * 40])
def test_the_page_without_a_schedule_says_so(client: Client, ids: str) -> None:
    answer = client.get(f"{LIST}pause/?ids={ids}")
    assert answer.headers["Location"] == LIST
    assert [str(said) for said in get_messages(answer.wsgi_request)] == [
        "There is no such schedule."
    ]


def test_the_page_is_for_those_who_may_change() -> None:
    config = JobConfigFactory(job_id=JOB)
    assert logged_in(VIEW).post(f"{LIST}pause/?ids={config.pk}").status_code == 403
    assert row().paused_at is None


def test_a_schedules_page_shows_its_pause_and_resumes_it(client: Client) -> None:
    config = JobConfigFactory(
        job_id=JOB, paused_at=timezone.now(), paused_by="ann", paused_reason="moving"
    )
    page = client.get(f"{LIST}{config.pk}/change/").content.decode()
    assert "paused by ann: moving" in page
    assert ">Resume<" in page
    before = ScheduleRevision.objects.get().value
    client.post(LIST, {"action": "resume", "_selected_action": [config.pk]})
    assert row().paused_at is None
    assert ScheduleRevision.objects.get().value == before + 1


def test_the_overview_shows_a_pause(client: Client) -> None:
    JobConfigFactory(job_id=JOB, paused_at=timezone.now(), paused_by="ann", paused_reason="moving")
    assert "paused by ann: moving" in client.get("/admin/").content.decode()


def test_the_list_shows_a_pause_instead_of_a_next_run(client: Client) -> None:
    JobConfigFactory(job_id=JOB, paused_at=timezone.now(), paused_by="ann")
    assert "paused by ann" in client.get(LIST).content.decode()
