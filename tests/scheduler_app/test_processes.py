"""Heartbeats decide which runs are lost, and nothing else does."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from scheduler_app import processes, recovery
from scheduler_app.models import ExecutionLog, Role, SchedulerProcess, Status
from tests.factories import ExecutionLogFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db

OWN = uuid.uuid4()


def close_abandoned(own: uuid.UUID) -> list[int]:
    # The suite's own server may have started a moment ago.
    return recovery.close_abandoned(own, spared=timedelta(0))


def running(*, seconds_silent: float, **fields: object) -> ExecutionLog:
    beat = timezone.now() - timedelta(seconds=seconds_silent)
    process = SchedulerProcessFactory(host="attic", pid=77, heartbeat_at=beat)
    made: ExecutionLog = ExecutionLogFactory(running=True, process=process, **fields)
    return made


def test_the_run_of_a_silent_process_is_closed_with_the_reason() -> None:
    execution = running(seconds_silent=9)
    assert close_abandoned(OWN) == [execution.pk]
    execution.refresh_from_db()
    assert execution.status == Status.FAILED
    assert execution.error_message.startswith("its process attic:77 stopped responding at 20")
    assert execution.finished_at is not None


def test_nothing_is_closed_while_the_database_has_only_just_started() -> None:
    running(seconds_silent=9)
    assert recovery.close_abandoned(OWN, spared=timedelta(days=9999)) == []


def test_a_long_run_of_a_living_process_is_left_alone() -> None:
    running(seconds_silent=1, started_at=timezone.now() - timedelta(days=3))
    assert close_abandoned(OWN) == []


def test_a_process_never_closes_its_own_runs() -> None:
    execution = running(seconds_silent=100)
    assert execution.process_id is not None
    assert close_abandoned(execution.process_id) == []


def test_a_run_without_any_process_is_closed() -> None:
    ExecutionLogFactory(status=Status.RUNNING, process=None)
    assert len(close_abandoned(OWN)) == 1


def test_it_names_the_jobs_of_silent_processes() -> None:
    running(seconds_silent=0)
    silent = running(seconds_silent=5, attempt=2)
    assert processes.silent_jobs(OWN) == {silent.job_id}


def test_it_closes_its_own_runs_when_it_stops() -> None:
    execution = running(seconds_silent=0)
    assert execution.process_id is not None
    recovery.close_own(execution.process_id, "the scheduler was stopped")
    execution.refresh_from_db()
    assert execution.status == Status.CANCELLED
    assert execution.error_message == "the scheduler was stopped"
    assert execution.duration_ms is not None


def test_it_forgets_processes_that_ended_long_ago() -> None:
    execution = running(seconds_silent=8 * 24 * 3600)
    ExecutionLog.objects.update(execution.pk, status=Status.SUCCESS)
    processes.forget_old()
    execution.refresh_from_db()
    assert execution.process_id is None


def test_a_process_registers_beats_and_leaves() -> None:
    row = processes.ProcessRow()
    assert row.beat() is False
    row.register()
    assert row.beat() is True
    assert row.tell({"revision_applied": 5}) is True
    row.leave()
    stored = SchedulerProcess.objects.get(pk=row.id)
    assert (stored.revision_applied, stored.role) == (5, Role.SCHEDULER)
    assert stored.stopped_at is not None
