"""A test that commits what it writes leaves the seeded rows, and nothing else, to the next one."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User

from scheduler_app.models import ExecutionLog, JobConfig
from tests.factories import ExecutionLogFactory

SEEDED = {
    "sync_daily_by_date": "0 18 * * *",
    "sync_incremental_finance": "0 0 * * *",
    "sync_concept_data": "30 18 * * *",
    "sync_stock_basic": "0 19 * * *",
}


def seeded() -> dict[str, str]:
    return dict(JobConfig.objects.values_list("job_id", "cron_expression"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["first", "again"])
def test_it_finds_the_seeded_rows_alone_whatever_a_test_committed(time: str) -> None:
    assert seeded() == SEEDED
    assert not User.objects.exists() and not ExecutionLog.objects.exists()
    assert Permission.objects.filter(codename="change_jobconfig").exists()

    Permission.objects.all().delete()
    User.objects.create_user("somebody")
    ExecutionLogFactory.create_batch(3)
    JobConfig.objects.filter(job_id="sync_stock_basic").delete()
    JobConfig.objects.update(cron_expression="* * * * *")


@pytest.mark.django_db
def test_it_finds_the_seeded_rows_in_an_ordinary_test() -> None:
    assert seeded() == SEEDED
