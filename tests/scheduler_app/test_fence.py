"""What a run writes inside `fenced()` is committed only while the execution is its own."""

from __future__ import annotations

import time

import pytest
from django.db import InternalError

from scheduler_app import run as runs
from scheduler_app.errors import RunLost
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.run import Run
from tests.factories import ExecutionLogFactory, JobConfigFactory

pytestmark = pytest.mark.django_db


def run_of(execution: ExecutionLog, fence: int | None) -> Run:
    return Run(
        execution_id=execution.pk,
        job_id=execution.job_id,
        scheduled_for=execution.scheduled_for,
        attempt=1,
        kwargs={},
        process_id=execution.process_id,
        fence=fence,
    )


def test_it_commits_under_its_own_fence() -> None:
    execution = ExecutionLogFactory(running=True, fence=3)
    with run_of(execution, 3).fenced():
        JobConfigFactory(job_id="effect")
    run_of(execution, 3).checkpoint()
    assert JobConfig.objects.filter(job_id="effect").exists()


@pytest.mark.parametrize("fence", [2, None])
def test_under_another_fence_it_is_lost(fence: int | None) -> None:
    run = run_of(ExecutionLogFactory(running=True, fence=3), fence)
    with pytest.raises(RunLost), run.fenced():
        pytest.fail("the body ran")
    with pytest.raises(RunLost):
        run.checkpoint()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_freezes_inside_keeps_nothing_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "FROZEN_AFTER", "50ms")
    execution = ExecutionLogFactory(running=True)
    with (
        pytest.raises(InternalError, match="idle-in-transaction"),
        run_of(execution, None).fenced(),
    ):
        JobConfigFactory(job_id="effect")
        time.sleep(0.15)  # frozen
        JobConfig.objects.count()
    ExecutionLog.objects.filter(pk=execution.pk).update(status=Status.FAILED)
    assert not JobConfig.objects.filter(job_id="effect").exists()
