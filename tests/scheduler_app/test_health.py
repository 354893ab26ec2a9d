"""Which scheduler is active and which stand by, as the lease and the heartbeats tell."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from scheduler_app.health import ProcessName, scheduler_status
from scheduler_app.models import Role, SchedulerProcess
from tests.factories import JobConfigFactory, LeaseFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db


def ago(seconds: float) -> object:
    return timezone.now() - timedelta(seconds=seconds)


def test_it_names_the_process_that_holds_the_lease() -> None:
    runs = [{"job_id": "one", "at": "2026-03-02T10:00:00+00:00"}]
    leader = SchedulerProcessFactory(
        host="attic", pid=77, heartbeat_at=ago(3), revision_applied=4, next_runs=runs
    )
    SchedulerProcessFactory(host="cellar", pid=5)
    LeaseFactory(process=leader)
    JobConfigFactory()
    status = scheduler_status()
    assert (status.active, status.is_alive) == (ProcessName("attic", 77), True)
    assert status.standbys == [ProcessName("cellar", 5)]
    assert status.heartbeat_age_seconds == pytest.approx(3, abs=1)
    assert (status.revision_applied, status.next_runs) == (4, runs)
    assert status.revision_wanted > 0


def test_while_a_lease_has_run_out_nobody_is_active() -> None:
    SchedulerProcessFactory(host="cellar", pid=5)
    dead = SchedulerProcessFactory(heartbeat_at=ago(11))
    LeaseFactory(process=dead, expires_at=ago(1))
    status = scheduler_status()
    assert status.active is None
    assert (status.standbys, status.is_alive) == ([ProcessName("cellar", 5)], True)


def test_a_silent_standby_is_none() -> None:
    SchedulerProcessFactory(heartbeat_at=ago(30))
    status = scheduler_status()
    assert (status.active, status.standbys, status.is_alive) == (None, [], False)
    assert status.heartbeat_age_seconds == pytest.approx(30, abs=1)


def test_it_takes_an_injected_now() -> None:
    lease = LeaseFactory()
    assert scheduler_status(now=lease.expires_at - timedelta(seconds=1)).active is not None
    status = scheduler_status(now=lease.process.heartbeat_at + timedelta(seconds=600))
    assert (status.is_alive, status.heartbeat_age_seconds) == (False, 600.0)


def test_stopped_processes_and_commands_do_not_count() -> None:
    SchedulerProcessFactory(stopped_at=timezone.now())
    SchedulerProcessFactory(role=Role.COMMAND)
    assert scheduler_status().is_alive is False
    assert SchedulerProcess.objects.count() == 2
