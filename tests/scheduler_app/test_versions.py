"""The versions of a schedule: who, when, what; and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from scheduler_app import configs, pauses, seeds, versions
from scheduler_app.models import Cause, ExecutionLog, JobConfig, ScheduleRevision, Status
from scheduler_app.registry import JobRegistry
from tests.factories import MONDAY_SIX, ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import JOB, logged_in, post, registered

pytestmark = pytest.mark.django_db
LIST = "/admin/scheduler_app/jobconfig/"
NIGHTLY = {
    "job_name": "Example", "enabled": "on", "trigger": "cron", "cron_expression": "0 3 * * *",
    "timezone": "Asia/Shanghai", "job_kwargs": "{}",
}  # fmt: skip


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def told(config: JobConfig) -> list[tuple[str, dict[str, tuple[str, str]]]]:
    config.refresh_from_db()
    return [
        (version.who, {change.title: (change.before, change.after) for change in version.changes})
        for version in versions.versions(config)
    ]


def test_an_edit_in_the_admin_tells_who_and_what(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_name="Example")
    client.post(f"{LIST}{config.pk}/change/", NIGHTLY)
    assert told(config) == [
        ("superuser", {"cron expression": ("0 18 * * *", "0 3 * * *")}),
        ("", {}),
    ]


def test_an_edit_by_the_api_does_too(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_name="Example")
    body = {"cron_expression": "0 3 * * *", "job_kwargs": {"days": 2}}
    assert post(client, f"/api/scheduler/jobs/{JOB}/schedule", body).status_code == 200
    who, changes = told(config)[0]
    assert who == "superuser"
    assert changes["arguments"] == ("{}", '{"days": 2}')


def test_actions_on_many_do_too(client: Client) -> None:
    config, other = JobConfigFactory.create(job_id=JOB), JobConfigFactory.create()
    chosen = {"action": "disable", "_selected_action": [config.pk, other.pk]}
    client.post(LIST, chosen)
    for row in (config, other):
        assert told(row)[0] == ("superuser", {"enabled": ("yes", "no")})


def test_a_pause_names_who_asked_for_it() -> None:
    config = JobConfigFactory.create(job_id=JOB)
    now = timezone.now()
    pauses.pause(JOB, by="boss", reason="moving", until=now + timedelta(days=1), now=now)
    pauses.resume(JOB, by="StockSync", now=now)
    (resumed, _), (paused, changes), _first = told(config)
    assert (resumed, paused) == ("StockSync", "boss")
    assert changes["reason of the pause"] == ("–", "moving")


def test_what_the_scheduler_notes_is_no_version() -> None:
    config = JobConfigFactory.create(job_id=JOB)
    config.last_run_at = config.last_slot = config.resumed_at = MONDAY_SIX
    config.save()
    JobConfig.objects.filter(pk=config.pk).update(last_run_at=timezone.now())
    assert len(told(config)) == 1


def test_a_save_that_changes_nothing_is_no_version(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_name="Example", cron_expression="0 3 * * *")
    client.post(f"{LIST}{config.pk}/change/", NIGHTLY)
    configs.enable(JOB)
    assert len(told(config)) == 1


def test_what_sql_wrote_is_kept_before_the_next_edit(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_name="Example")
    JobConfig.objects.filter(pk=config.pk).update(cron_expression="0 5 * * *")
    client.post(f"{LIST}{config.pk}/change/", NIGHTLY)
    assert [changes.get("cron expression") for _who, changes in told(config)] == [
        ("0 5 * * *", "0 3 * * *"),
        ("0 18 * * *", "0 5 * * *"),
        None,
    ]


def test_a_seeded_row_has_its_first_version_after_the_first_edit(jobs: JobRegistry) -> None:
    JobConfig.objects.filter(job_id="sync_stock_basic").update(job_name="As seeded")
    config = JobConfig.objects.get(job_id="sync_stock_basic")
    config.history.all().delete()
    configs.stop(config.job_id)
    assert [changes for _who, changes in told(config)] == [{"enabled": ("yes", "no")}, {}]
    seeds.seed(jobs=jobs)
    made = JobConfig.objects.get(job_id="copy_files")
    assert [version.kind for version in versions.versions(made)] == ["+"]


def test_a_version_holds_what_is_stored_and_not_what_a_form_remembers() -> None:
    stale = JobConfigFactory.create(job_id=JOB)
    pauses.pause(JOB, by="boss", now=timezone.now())
    stale.job_name = "Other"
    stale.save(update_fields=["job_name", "updated_at"])
    assert told(stale)[0] == ("", {"name": ("Example job", "Other")})


def test_who_stays_known_when_the_account_is_gone(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_name="Example")
    client.post(f"{LIST}{config.pk}/change/", NIGHTLY)
    User.objects.all().delete()
    assert told(config)[0][0] == "superuser"


def oldest(config: JobConfig) -> int:
    return versions.versions(config)[-1].id


def test_going_back_reaches_the_scheduler_as_an_edit_does(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_name="Example", job_kwargs={"days": 2})
    body = {"cron_expression": "0 3 * * *", "job_kwargs": {}}
    post(client, f"/api/scheduler/jobs/{JOB}/schedule", body)
    revision = ScheduleRevision.objects.get().value
    answer = client.post(f"{LIST}{config.pk}/history/{oldest(config)}/revert/")
    assert answer.status_code == 302
    config.refresh_from_db()
    assert (config.cron_expression, config.job_kwargs) == ("0 18 * * *", {"days": 2})
    assert ScheduleRevision.objects.get().value == revision + 1
    said = [str(message) for message in get_messages(answer.wsgi_request)]
    assert "no scheduler is running" in said[-1]
    text = client.get(f"{LIST}{config.pk}/history/").content.decode()
    assert f"back to version {oldest(config)}" in text
    assert text.count("as it is now") == 2


def test_going_back_to_off_cancels_what_waits(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, enabled=False)
    configs.enable(JOB)
    retry = ExecutionLogFactory.create(queued=True, job_id=JOB, caused_by=Cause.RETRY, attempt=2)
    client.post(f"{LIST}{config.pk}/history/{oldest(config)}/revert/")
    config.refresh_from_db()
    assert not config.enabled
    assert ExecutionLog.objects.get(pk=retry.pk).status == Status.CANCELLED


def test_what_would_be_refused_when_typed_in_is_refused_when_gone_back_to(client: Client) -> None:
    config = JobConfigFactory.create(job_id=JOB, cron_expression="0 0 31 2 *")
    config.cron_expression = "0 18 * * *"
    config.save()
    before = JobConfig.objects.values().get(pk=config.pk)
    answer = client.post(f"{LIST}{config.pk}/history/{oldest(config)}/revert/")
    (said,) = get_messages(answer.wsgi_request)
    assert "never fires" in str(said)
    assert JobConfig.objects.values().get(pk=config.pk) == before


def test_it_goes_back_to_no_version_of_another(client: Client) -> None:
    config, other = JobConfigFactory.create(job_id=JOB), JobConfigFactory.create()
    answer = client.post(f"{LIST}{config.pk}/history/{oldest(other)}/revert/")
    assert "has no version" in str(next(iter(get_messages(answer.wsgi_request))))
    assert client.get(f"{LIST}{config.pk}/history/{oldest(config)}/revert/").status_code == 405
    gone = client.get(f"{LIST}999999/history/")
    assert "no such schedule" in str(list(get_messages(gone.wsgi_request))[-1])


def test_the_page_asks_the_same_queries_for_any_number_of_versions(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    for number in range(30):
        config.job_name = f"Name {number}"
        config.save()
    with django_assert_max_num_queries(6):
        text = client.get(f"{LIST}{config.pk}/history/").content.decode()
    assert "Name 29" in text
