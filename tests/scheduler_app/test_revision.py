"""The database itself notices when a schedule changes, whoever writes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from scheduler_app.models import ExecutionLog, JobConfig, ScheduleRevision, Status
from tests.factories import ExecutionLogFactory, JobConfigFactory

pytestmark = pytest.mark.django_db


def bumps(change: Callable[[], object]) -> int:
    def value() -> int:
        return ScheduleRevision.objects.values_list("value", flat=True).first() or 0

    before = value()
    change()
    return value() - before


def test_a_new_schedule_bumps_the_revision() -> None:
    assert bumps(JobConfigFactory) == 1


def test_a_deleted_schedule_bumps_the_revision() -> None:
    config = JobConfigFactory()
    assert bumps(config.delete) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"cron_expression": "1 1 * * *"},
        {"timezone": "UTC"},
        {"enabled": False},
        {"job_kwargs": {"a": 1}},
        {"interval_seconds": 5},
        {"trigger": "interval", "interval_seconds": 5},
        {"job_id": "renamed"},
        {"run_calendar": "weekdays"},
        {"overlap_policy": "queue_one"},
        {"paused_at": timezone.now()},
        {"max_retries": 7},
    ],
)
def test_a_queryset_update_of_a_scheduling_column_bumps_the_revision(
    change: dict[str, object],
) -> None:
    config = JobConfigFactory()
    assert bumps(lambda: JobConfig.objects.filter(pk=config.pk).update(**change)) == 1


def test_raw_sql_bumps_the_revision() -> None:
    JobConfigFactory(job_id="one")
    with connection.cursor() as cursor:
        sql = "UPDATE scheduler_job_config SET enabled = false WHERE job_id = 'one'"
        assert bumps(lambda: cursor.execute(sql)) == 1


def test_raw_sql_with_another_search_path_bumps_the_revision() -> None:
    JobConfigFactory(job_id="one")
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        schema = cursor.fetchone()[0]
        JobConfig.objects.exclude(job_id="one").delete()

        def change() -> None:
            cursor.execute("SET LOCAL search_path = public")
            cursor.execute(f"UPDATE {schema}.scheduler_job_config SET enabled = false")  # noqa: S608
            cursor.execute(f"SET LOCAL search_path = {schema}")

        assert bumps(change) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"last_run_at": timezone.now()},
        {"last_slot": timezone.now()},
        {"updated_at": timezone.now()},
        {"job_name": "Another"},
        {"paused_reason": "the source moves"},
        {"retention_days": 7},
        {"cron_expression": "0 18 * * *"},
    ],
)
def test_other_columns_and_equal_values_bump_nothing(change: dict[str, object]) -> None:
    config = JobConfigFactory(cron_expression="0 18 * * *")
    assert bumps(lambda: JobConfig.objects.filter(pk=config.pk).update(**change)) == 0


def test_a_row_notes_since_when_it_fires_as_it_does() -> None:
    config = JobConfigFactory()
    config.refresh_from_db()
    assert config.schedule_since is not None


def test_an_edit_of_the_schedule_begins_anew() -> None:
    config = JobConfigFactory()
    config.refresh_from_db()
    began = config.schedule_since
    config.cron_expression = "1 1 * * *"
    config.save()
    config.refresh_from_db()
    assert config.schedule_since > began


def test_an_edit_of_the_name_the_arguments_or_a_policy_does_not() -> None:
    config = JobConfigFactory()
    config.refresh_from_db()
    began = config.schedule_since
    config.job_name, config.job_kwargs = "Another", {"a": 1}
    config.paused_at, config.overlap_policy = timezone.now(), "queue_one"
    config.save()
    config.refresh_from_db()
    assert config.schedule_since == began


def notified(change: Callable[[], object]) -> list[str]:
    """What other connections hear on the channel, once the change is committed."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN stocksync_schedule")
        change()
        heard = [note.payload for note in connection.connection.notifies(timeout=0.1)]
        cursor.execute("UNLISTEN stocksync_schedule")
    return heard


@pytest.mark.django_db(transaction=True)
def test_a_changed_schedule_notifies() -> None:
    assert notified(JobConfigFactory) == ["revision"]


@pytest.mark.django_db(transaction=True)
def test_a_queued_execution_notifies() -> None:
    assert notified(lambda: ExecutionLogFactory(queued=True)) == ["queued"]


@pytest.mark.django_db(transaction=True)
def test_a_closed_execution_does_not_notify() -> None:
    execution = ExecutionLogFactory(running=True)
    change = {"status": Status.SUCCESS}
    assert notified(lambda: ExecutionLog.objects.filter(pk=execution.pk).update(**change)) == []


@pytest.mark.django_db(transaction=True)
def test_the_migration_can_be_undone_and_done_again() -> None:
    call_command("migrate", "scheduler_app", "0001", verbosity=0)
    call_command("migrate", verbosity=0)
    assert bumps(JobConfigFactory) == 1


@pytest.mark.parametrize(
    "unknown", [{"misfire_policy": "maybe"}, {"overlap_policy": ""}, {"retry_backoff": math.nan}]
)
def test_the_database_refuses_a_policy_that_nobody_knows(unknown: dict[str, object]) -> None:
    config = JobConfigFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        JobConfig.objects.filter(pk=config.pk).update(**unknown)
