"""A test that empties the tables leaves the seeded rows to the next one."""

from __future__ import annotations

import pytest

from scheduler_app.models import JobConfig

SEEDED = {
    "sync_daily_by_date",
    "sync_incremental_finance",
    "sync_concept_data",
    "sync_stock_basic",
}


def seeded() -> set[str]:
    return set(JobConfig.objects.values_list("job_id", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["first", "again"])
def test_it_finds_the_seeded_rows_in_every_transactional_test(time: str) -> None:
    assert seeded() == SEEDED


@pytest.mark.django_db
def test_it_finds_the_seeded_rows_in_an_ordinary_test() -> None:
    assert seeded() == SEEDED
