"""How long executions are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from scheduler_app import retention
from scheduler_app.models import ExecutionLog, Status, StopRequest
from tests.factories import ExecutionLogFactory, JobConfigFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def aged(*days: float, job_id: str = "one", **fields: object) -> list[ExecutionLog]:
    return [
        ExecutionLogFactory(job_id=job_id, scheduled_for=NOW - timedelta(days=age), **fields)
        for age in days
    ]


def left(job_id: str = "one") -> list[float]:
    rows = ExecutionLog.objects.filter(job_id=job_id).order_by("scheduled_for")
    return [(NOW - row.scheduled_for) / timedelta(days=1) for row in rows]


def test_executions_older_than_so_many_days_go() -> None:
    JobConfigFactory(job_id="one", retention_days=7)
    aged(8, 7.01, 6.99, 1)
    assert retention.prune(NOW) == 2
    assert left() == [6.99, 1]


def test_zero_days_keeps_for_ever() -> None:
    JobConfigFactory(job_id="one", retention_days=0)
    aged(9999, 1)
    assert retention.prune(NOW) == 0


def test_only_so_many_executions_stay() -> None:
    JobConfigFactory(job_id="one", retention_runs=2)
    aged(6, 5, 4, 3)
    retention.prune(NOW)
    assert left() == [4, 3]


def test_those_of_the_last_day_are_kept_whatever_their_number() -> None:
    JobConfigFactory(job_id="one", retention_runs=1)
    aged(1.01, 0.99, 0.5, 0.1)
    retention.prune(NOW)
    assert left() == [0.99, 0.5, 0.1]


def test_each_schedule_has_its_own_and_a_job_without_one_the_default() -> None:
    JobConfigFactory(job_id="one", retention_days=7)
    JobConfigFactory(job_id="two", retention_days=30)
    for job_id in ("one", "two", "three"):
        aged(100, 20, 1, job_id=job_id)
    retention.prune(NOW)
    assert [left("one"), left("two"), left("three")] == [[1], [20, 1], [20, 1]]


def test_the_newest_of_a_job_stays_however_old() -> None:
    JobConfigFactory(job_id="one", retention_days=7, retention_runs=1)
    aged(300, 200)
    retention.prune(NOW)
    assert left() == [200]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_what_is_open_is_never_deleted(status: Status) -> None:
    JobConfigFactory(job_id="one", retention_days=7, retention_runs=1)
    aged(20, status=status)
    aged(10, 8, 1)
    retention.prune(NOW)
    assert left() == [20, 1]


def test_what_was_asked_of_a_run_goes_with_it() -> None:
    JobConfigFactory(job_id="one", retention_days=7)
    old, _new = aged(8, 1)
    StopRequest.objects.create(execution=old, at_once=True, reason="a newer slot came")
    assert retention.prune(NOW) == 1
    assert not StopRequest.objects.exists()


def test_it_goes_on_batch_by_batch_and_leaves_the_rest_for_the_next_time() -> None:
    JobConfigFactory(job_id="one", retention_days=7)
    aged(*range(15, 7, -1), 1)
    with patch.object(retention, "BATCH", 3), patch.object(retention, "BATCHES_AT_ONCE", 2):
        assert [retention.prune(NOW), retention.prune(NOW)] == [6, 2]
    assert left() == [1]


def test_an_empty_history_is_no_trouble() -> None:
    assert retention.prune(NOW) == 0
