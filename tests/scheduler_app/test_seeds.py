"""The default schedules: created when missing, never taken back from staff."""

from __future__ import annotations

from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from scheduler_app import seeds
from scheduler_app.errors import UnknownJob
from scheduler_app.models import JobConfig
from scheduler_app.policy_rules import POLICIES
from scheduler_app.registry import JobRegistry
from tests.factories import JobConfigFactory

pytestmark = pytest.mark.django_db

EXPECTED = {
    "sync_concept_data": "30 18 * * *",
    "sync_daily_by_date": "0 18 * * *",
    "sync_incremental_finance": "0 0 * * *",
    "sync_stock_basic": "0 19 * * *",
}


@pytest.fixture(autouse=True)
def no_schedules(db: None) -> None:
    JobConfig.objects.all().delete()


def crons() -> dict[str, str]:
    return dict(JobConfig.objects.values_list("job_id", "cron_expression"))


def migrate_seeds() -> None:
    migration = import_module("datasync_app.migrations.0002_seed_schedules")
    with connection.schema_editor() as editor:
        migration.seed(apps, editor)


def test_the_migration_seeds_four_rows() -> None:
    migrate_seeds()
    assert crons() == EXPECTED
    rows = JobConfig.objects.values_list("timezone", "enabled", "job_kwargs")
    assert [list(row) for row in rows] == [["Asia/Shanghai", True, {}]] * 4


def test_the_migration_overwrites_nothing() -> None:
    JobConfigFactory(job_id="sync_stock_basic", cron_expression="5 5 * * *", enabled=False)
    migrate_seeds()
    migrate_seeds()
    assert crons() == EXPECTED | {"sync_stock_basic": "5 5 * * *"}


def test_the_command_says_what_it_did() -> None:
    JobConfigFactory(job_id="sync_stock_basic", cron_expression="5 5 * * *")
    out = StringIO()
    call_command("seed_jobs", stdout=out)
    assert out.getvalue().splitlines() == [
        "sync_concept_data: created",
        "sync_daily_by_date: created",
        "sync_incremental_finance: created",
        "sync_stock_basic: kept",
    ]
    assert crons() == EXPECTED | {"sync_stock_basic": "5 5 * * *"}


def test_the_command_resets_what_it_is_told_to() -> None:
    migrate_seeds()
    JobConfig.objects.update(cron_expression="5 5 * * *", enabled=False)
    out = StringIO()
    call_command("seed_jobs", "--reset", "sync_stock_basic", stdout=out)
    assert "sync_stock_basic: reset" in out.getvalue()
    assert crons()["sync_stock_basic"] == "0 19 * * *"
    assert crons()["sync_daily_by_date"] == "5 5 * * *"
    assert JobConfig.objects.get(job_id="sync_stock_basic").enabled


def test_the_command_refuses_an_unknown_job_and_seeds_nothing() -> None:
    with pytest.raises(CommandError, match="no job 'nope'"):
        call_command("seed_jobs", "--reset", "nope")
    assert crons() == {}


def test_a_job_without_default_cannot_be_reset() -> None:
    with pytest.raises(CommandError, match="sync_daily_history has no default schedule"):
        call_command("seed_jobs", "--reset", "sync_daily_history")


def test_seeds_and_migration_agree() -> None:
    migrate_seeds()
    fields = (
        "job_id", "job_name", "trigger", "cron_expression", "timezone", "job_kwargs", *POLICIES
    )  # fmt: skip
    migrated = list(JobConfig.objects.order_by("job_id").values(*fields))
    JobConfig.objects.all().delete()
    seeds.seed()
    assert list(JobConfig.objects.order_by("job_id").values(*fields)) == migrated


def test_seeds_come_from_the_registry(jobs: JobRegistry) -> None:
    assert seeds.seed(jobs=jobs) == [("copy_files", "created")]
    with pytest.raises(UnknownJob):
        seeds.seed(reset=["nope"], jobs=jobs)
