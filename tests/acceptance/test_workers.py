"""Runs on workers: processes of their own, with real signals."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler_app.models import ExecutionLog, JobConfig, Role, Status
from tests.acceptance.runscheduler import ColdWorkerUnderTest, SchedulerUnderTest, WorkerUnderTest
from tests.acceptance.worker_tables import WORKERS, worker_tables
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def url() -> Iterator[str]:
    JobConfig.objects.all().delete()
    with worker_tables() as url:
        yield url


def attempts(job_id: str) -> list[tuple[int, str]]:
    rows = ExecutionLog.objects.filter(job_id=job_id).order_by("attempt")
    return list(rows.values_list("attempt", "status"))


def owner(job_id: str, attempt: int = 1) -> ExecutionLog:
    return ExecutionLog.objects.select_related("process").get(job_id=job_id, attempt=attempt)


def test_workers_run_what_the_scheduler_claims_and_the_end_of_either_loses_nothing(
    url: str, tmp_path: Path
) -> None:
    JobConfigFactory(job_id="endless", max_retries=1, retry_delay_seconds=1)
    ExecutionLogFactory(queued=True, job_id="quick", job_kwargs={"text": "hi"})
    ExecutionLogFactory(queued=True, job_id="endless")
    with SchedulerUnderTest(url, tmp_path / "scheduler", **WORKERS) as scheduler:
        with ColdWorkerUnderTest(url, tmp_path / "worker-1", **WORKERS) as worker:
            assert eventually(lambda: attempts("quick") == [(1, "SUCCESS")], 30), worker.log
            done = owner("quick")
            assert done.process is not None
            assert (done.process.role, done.process.pid) == (Role.WORKER, worker.pid)
            assert done.result == {"text": "hi"} and "quick says hi" in done.log
            assert eventually(lambda: owner("endless").process is not None), worker.log
            worker.send(signal.SIGKILL)
            worker.exit_code()
        # Closed by its heartbeat, and claimed again; no worker is there to take the second attempt.
        assert eventually(lambda: attempts("endless")[0] == (1, "FAILED"), 12), scheduler.log
        assert "stopped responding" in owner("endless").error_message
        again = eventually(
            lambda: ExecutionLog.objects.filter(attempt=2, handed_over_at__isnull=False).first()
        )
        assert again is not None, scheduler.log
        scheduler.send(signal.SIGTERM)
        assert scheduler.exit_code(10) == 0
    with WorkerUnderTest(url, tmp_path / "worker-2", **WORKERS) as worker:
        assert eventually(lambda: owner("endless", 2).process is not None, 20), worker.log
        assert attempts("endless") == [(1, "FAILED"), (2, "RUNNING")]
        worker.send(signal.SIGTERM)
        assert worker.exit_code(10) == 0, worker.log
    assert owner("endless", 2).status == Status.CANCELLED
