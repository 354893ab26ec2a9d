"""A run in a process of its own is ended by its limit, by a request, by a stop: even a deaf one."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from django.db import connection

from scheduler_app import going_on
from scheduler_app.models import ExecutionLog, JobConfig, Status
from tests.acceptance.runscheduler import SchedulerUnderTest, database_url
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def url() -> str:
    JobConfig.objects.all().delete()
    return database_url(connection.settings_dict)


def children(scheduler: SchedulerUnderTest) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(scheduler.pid).children(recursive=True)
    return found


def works(process: psutil.Process) -> bool:
    """Whether it lives; one that has ended may wait for whoever adopted it to take notice."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def queued(job_id: str, **row: object) -> ExecutionLog:
    JobConfigFactory(job_id=job_id, runs_in_subprocess=True, max_retries=0, **row)
    made: ExecutionLog = ExecutionLogFactory(queued=True, job_id=job_id)
    return made


def ended(execution: ExecutionLog, seconds: float = 60) -> ExecutionLog:
    open_ones = ExecutionLog.objects.filter(pk=execution.pk, status__in=["QUEUED", "RUNNING"])
    assert eventually(lambda: not open_ones.exists(), seconds)
    execution.refresh_from_db()
    return execution


def test_deaf_runs_are_killed_by_their_limit_or_a_request_and_others_end_by_themselves(
    url: str, tmp_path: Path
) -> None:
    good = queued("quick", job_kwargs={"text": "hi"})
    limited = queued("deaf")
    asked = queued("deaf_too")
    dies = queued("dies")
    with SchedulerUnderTest(url, tmp_path / "log") as scheduler:
        assert ended(good).status == Status.SUCCESS
        assert "quick says" in good.log
        assert (
            ended(dies).error_message == "its own process ended by exit code 3 before the run did"
        )
        # Only once their work is under way: before it, a run sees for itself that nobody wants it.
        assert scheduler.says(f"action=start job_id=deaf execution={limited.pk}", 60)
        assert scheduler.says(f"action=start job_id=deaf_too execution={asked.pk}", 60)
        JobConfig.objects.filter(job_id="deaf").update(time_limit_seconds=1)
        going_on.ask_to_stop(asked.pk, "ann asked for it")

        assert ended(limited).status == Status.FAILED
        assert limited.error_message.startswith("it ran longer than its time limit of 1 s; it did")
        assert limited.duration_ms is not None
        assert limited.duration_ms > 1000
        assert ended(asked).status == Status.CANCELLED
        assert asked.error_message.startswith("ann asked for it; it did not end by itself")
        assert eventually(lambda: not children(scheduler))


def test_a_run_of_its_own_ends_with_the_scheduler_however_that_ends(
    url: str, tmp_path: Path
) -> None:
    asks = queued("endless")
    with SchedulerUnderTest(url, tmp_path / "log") as scheduler:
        assert eventually(lambda: "job_id=endless" in scheduler.log and children(scheduler), 20)
        assert scheduler.says("action=start job_id=endless")
        scheduler.send(signal.SIGTERM)
        assert scheduler.exit_code() == 0
        assert (ended(asks).status, asks.error_message) == (
            Status.CANCELLED,
            "the scheduler was stopped",
        )
    killed = queued("deaf")
    with SchedulerUnderTest(url, tmp_path / "second") as scheduler:
        assert eventually(lambda: children(scheduler), 20)
        left = children(scheduler)
        scheduler.send(signal.SIGKILL)
        assert eventually(lambda: not any(map(works, left)))
    killed.refresh_from_db()
    assert killed.status == Status.RUNNING
