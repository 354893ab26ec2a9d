"""What Prometheus is told of the scheduler."""

from __future__ import annotations

import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from scheduler_app import metrics
from scheduler_app.models import JobConfig, ScheduleRevision, Status
from tests.factories import (
    ExecutionLogFactory,
    JobConfigFactory,
    LeaseFactory,
    SchedulerProcessFactory,
)
from tests.scheduler_app.web import account, database_away

pytestmark = pytest.mark.django_db


def told(name: str, text: str = "") -> dict[tuple[str, ...], float]:
    """The values of one metric by those of its labels, in the order of their names; of a text, or of now."""
    families = text_string_to_metric_families(text or metrics.as_text().decode())
    return {
        tuple(value for _name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"stocksync_{name}"
    }


@pytest.fixture
def no_seeds() -> None:
    JobConfig.objects.all().delete()


def test_without_a_scheduler_nobody_holds_the_lease() -> None:
    assert told("lease_held") == {(): 0}
    assert told("schedulers_standing_by") == {(): 0}
    assert told("revision_lag") == {}


def test_the_lease_the_standbys_and_the_revision_are_told() -> None:
    wanted = ScheduleRevision.objects.get().value
    LeaseFactory(fence=7, process=SchedulerProcessFactory(revision_applied=wanted - 1))
    SchedulerProcessFactory()
    assert [told("lease_held"), told("lease_fence")] == [{(): 1}, {(): 7}]
    assert [told("schedulers_standing_by"), told("revision_lag")] == [{(): 1}, {(): 1}]
    assert 0 <= told("scheduler_heartbeat_age_seconds")[()] < 60


@pytest.mark.usefixtures("no_seeds")
def test_schedules_are_counted_by_state() -> None:
    JobConfigFactory.create_batch(2)
    JobConfigFactory(enabled=False, paused_at=timezone.now())
    JobConfigFactory(paused_at=timezone.now())
    assert told("schedules") == {("on",): 2, ("paused",): 1, ("off",): 1}


def test_runs_are_counted_by_outcome_over_the_last_hour() -> None:
    JobConfigFactory(job_id="one")
    now = timezone.now()
    for minutes, status, milliseconds in (
        (5, Status.SUCCESS, 1000),
        (6, Status.SUCCESS, 2000),
        (7, Status.SUCCESS, 9000),
        (8, Status.FAILED, 500),
        (61, Status.FAILED, 500),
    ):
        ExecutionLogFactory(
            job_id="one",
            scheduled_for=now - timedelta(minutes=minutes),
            status=status,
            duration_ms=milliseconds,
        )
    assert told("runs_last_hour") == {("one", "SUCCESS"): 3, ("one", "FAILED"): 1}
    seconds = told("run_seconds_last_hour")
    assert seconds[("one", "0.5", "SUCCESS")] == 2
    assert seconds[("one", "1", "SUCCESS")] == 9


def test_lateness_is_that_of_slots_and_not_of_catch_ups() -> None:
    JobConfigFactory(job_id="one")
    slot = timezone.now().replace(microsecond=0) - timedelta(minutes=5)
    process = SchedulerProcessFactory()
    for index, (cause, late) in enumerate((("schedule", 1), ("schedule", 3), ("catch_up", 99))):
        moment = slot + timedelta(seconds=index)
        ExecutionLogFactory(
            job_id="one",
            scheduled_for=moment,
            started_at=moment + timedelta(seconds=late),
            caused_by=cause,
            process=process,
        )
    late_by = told("fire_lateness_seconds_last_hour")
    assert (late_by[("0.5",)], late_by[("1",)]) == (2, 3)


def test_open_executions_and_the_last_success_are_told() -> None:
    JobConfigFactory(job_id="one")
    ended = timezone.now().replace(microsecond=0)
    ExecutionLogFactory(job_id="one", started_at=ended - timedelta(days=3), finished_at=ended)
    ExecutionLogFactory(running=True, job_id="one", attempt=2)
    ExecutionLogFactory(queued=True, job_id="one", attempt=3)
    assert told("executions_open") == {("RUNNING",): 1, ("QUEUED",): 1}
    assert told("last_success_timestamp_seconds") == {("one",): ended.timestamp()}


def test_a_source_that_fails_is_told_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sources = {"broken": lambda: 1 / 0, "scheduler": metrics.scheduler_metrics}
    monkeypatch.setattr(metrics, "_sources", sources)
    assert told("metrics_failed") == {("broken",): 1, ("scheduler",): 0}
    assert told("lease_held") == {(): 0}
    assert "action=metrics source=broken failed" in caplog.text


def test_it_asks_no_more_queries_for_more_schedules(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(8):
        list(metrics.scheduler_metrics())
    JobConfigFactory.create_batch(30)
    with django_assert_num_queries(8):
        list(metrics.scheduler_metrics())


def test_prometheus_reads_it_with_a_token() -> None:
    _row, token = AuthToken.objects.create(account())
    answer = Client().get("/metrics", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(answer.content.decode())}
    assert {"stocksync_lease_held", "stocksync_late_cells"} <= names


@pytest.mark.django_db(transaction=True)
def test_without_the_database_there_are_no_metrics() -> None:
    _row, token = AuthToken.objects.create(account())
    with database_away():
        answer = Client().get("/metrics", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_process_answers_with_the_same_and_its_own_even_without_the_database() -> None:
    def own() -> list[Metric]:
        return [metrics.gauge("process_leads", "whether it leads", 1)]

    def ask() -> str:
        with no_proxy.open(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())

    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    LeaseFactory()
    with metrics.served("127.0.0.1", 0, own) as port:
        here = ask()
        with database_away():
            away = ask()
    assert [told(name, here) for name in ("process_leads", "database_answers", "lease_held")] == [
        {(): 1}
    ] * 3
    assert {"stocksync_fire_lateness_seconds_last_hour", "stocksync_late_cells"} <= {
        family.name for family in text_string_to_metric_families(here)
    }
    assert [told(name, away) for name in ("process_leads", "database_answers", "lease_held")] == [
        {(): 1},
        {(): 0},
        {},
    ]
