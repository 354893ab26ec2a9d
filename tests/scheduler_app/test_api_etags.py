"""Edits by two people at once: the one that did not see the other's is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from scheduler_app.models import JobConfig
from tests.factories import JobConfigFactory
from tests.scheduler_app.web import JOB, logged_in, post, registered

pytestmark = pytest.mark.django_db

ADDRESS = f"/api/scheduler/jobs/{JOB}"
EDITS = [
    ("schedule", {"cron_expression": "30 9 * * *"}),
    ("start", {"interval_seconds": 60}),
    ("pause", {"reason": "moving"}),
    ("resume", {}),
    ("stop", {}),
]


@pytest.fixture
def config() -> Iterator[JobConfig]:
    with registered():
        yield JobConfigFactory.create(job_id=JOB)


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


@pytest.mark.parametrize(("name", "body"), EDITS)
def test_an_edit_with_the_etag_that_was_read_is_made(
    client: Client, config: JobConfig, name: str, body: object
) -> None:
    tag = client.get(ADDRESS).headers["ETag"]
    answer = post(client, f"{ADDRESS}/{name}", body, headers={"If-Match": f'"other", {tag}'})
    assert answer.status_code == 200
    assert answer.headers["ETag"] == client.get(ADDRESS).headers["ETag"]
    # A pause that is not there was ended: nothing has changed.
    assert (answer.headers["ETag"] == tag) == (name == "resume")


@pytest.mark.parametrize(("name", "body"), EDITS)
def test_an_edit_of_what_somebody_else_changed_is_refused(
    client: Client, config: JobConfig, name: str, body: object
) -> None:
    tag = client.get(ADDRESS).headers["ETag"]
    JobConfig.objects.update(cron_expression="0 6 * * *")
    before = JobConfig.objects.values().get(job_id=JOB)
    answer = post(client, f"{ADDRESS}/{name}", body, headers={"If-Match": tag})
    assert answer.status_code == 412
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "The schedule was changed meanwhile" in answer.json()["detail"]
    assert client.get(ADDRESS).headers["ETag"] in answer.json()["detail"]
    assert JobConfig.objects.values().get(job_id=JOB) == before


@pytest.mark.parametrize("tag", ["nonsense", '""', "W/{}", "", "\xff"])
def test_what_is_no_etag_matches_nothing(client: Client, config: JobConfig, tag: str) -> None:
    weak = tag.format(client.get(ADDRESS).headers["ETag"])
    answer = post(client, f"{ADDRESS}/stop", {}, headers={"If-Match": weak})
    assert answer.status_code == 412
    assert JobConfig.objects.get(job_id=JOB).enabled


def test_a_star_matches_any_schedule_and_none_where_there_is_none(client: Client) -> None:
    with registered():
        assert "ETag" not in client.get(ADDRESS).headers
        edit = (f"{ADDRESS}/schedule", {"cron_expression": "0 6 * * *"})
        answer = post(client, *edit, headers={"If-Match": "*"})
        assert answer.status_code == 412
        assert "has no schedule yet" in answer.json()["detail"]
        assert post(client, *edit).status_code == 200
        assert post(client, *edit, headers={"If-Match": "*"}).status_code == 200


def test_a_run_changes_no_etag(client: Client, config: JobConfig) -> None:
    tag = client.get(ADDRESS).headers["ETag"]
    JobConfig.objects.update(last_run_at=timezone.now(), last_slot=timezone.now())
    assert client.get(ADDRESS).headers["ETag"] == tag


def test_a_refused_edit_says_what_is_wrong_with_it(client: Client, config: JobConfig) -> None:
    tag = client.get(ADDRESS).headers["ETag"]
    body = {"cron_expression": "0 0 31 2 *"}
    answer = post(client, f"{ADDRESS}/schedule", body, headers={"If-Match": tag})
    assert answer.status_code == 400
    assert "never fires" in answer.json()["detail"]
