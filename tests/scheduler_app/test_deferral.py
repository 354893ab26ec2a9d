"""From the scheduler that claimed an execution to the worker that runs it, nothing is lost or doubled."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from scheduler_app import attempt, deferral, going_on, processes, recovery
from scheduler_app.errors import RunLost
from scheduler_app.models import ExecutionLog, Role, SchedulerProcess, Status
from tests.factories import ExecutionLogFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db


def never() -> bool:
    return False


def worker(**fields: object) -> SchedulerProcess:
    made: SchedulerProcess = SchedulerProcessFactory(role=Role.WORKER, **fields)
    return made


def handed_over() -> ExecutionLog:
    made: ExecutionLog = ExecutionLogFactory(
        running=True, process=None, fence=3, handed_over_at=timezone.now()
    )
    return made


def test_a_claimed_execution_loses_its_owner_as_it_is_deferred() -> None:
    execution = ExecutionLogFactory(running=True, fence=3)
    deferred: list[int] = []
    deferral.hand_over(execution, deferred.append, try_again=never)
    execution.refresh_from_db()
    assert deferred == [execution.pk]
    assert (execution.status, execution.process) == (Status.RUNNING, None)
    assert execution.handed_over_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_leaves_it_with_its_owner_and_it_is_tried_again() -> None:
    execution = ExecutionLogFactory(running=True, fence=3)
    owner = execution.process_id
    seen: list[object] = []

    def defer(execution_id: int) -> None:
        if not seen:
            seen.append(execution_id)
            raise OperationalError("the server went away")

    def try_again() -> bool:
        seen.append(ExecutionLog.objects.get(pk=execution.pk).process_id)
        return True

    deferral.hand_over(execution, defer, try_again=try_again)
    assert seen == [execution.pk, owner]
    assert ExecutionLog.objects.get(pk=execution.pk).process is None


def test_an_execution_that_cannot_be_deferred_at_all_fails_with_the_reason() -> None:
    execution = ExecutionLogFactory(running=True)

    def defer(execution_id: int) -> None:
        raise ValueError("the queue is full")

    deferral.hand_over(execution, defer, try_again=never)
    execution.refresh_from_db()
    assert execution.status == Status.FAILED
    assert execution.error_message == "it could not be handed to the workers: the queue is full"


def test_one_that_was_closed_meanwhile_is_not_deferred() -> None:
    execution = ExecutionLogFactory(running=True)
    ExecutionLog.objects.filter(pk=execution.pk).update(status=Status.FAILED)
    deferral.hand_over(execution, lambda pk: pytest.fail("deferred"), try_again=never)


def test_the_end_of_the_scheduler_does_not_touch_what_waits_for_a_worker() -> None:
    execution = handed_over()
    scheduler = SchedulerProcessFactory(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert recovery.close_abandoned(scheduler.pk, spared=timedelta(0)) == []
    assert processes.silent_jobs(scheduler.pk) == set()
    execution.refresh_from_db()
    assert execution.status == Status.RUNNING


def test_one_worker_takes_it_over_and_its_time_runs_from_then() -> None:
    execution = handed_over()
    first, second = worker(), worker()
    before = timezone.now()
    taken = deferral.take_over(execution.pk, first.pk)
    assert taken is not None and taken.started_at is not None
    assert taken.process_id == first.pk and taken.started_at >= before - timedelta(seconds=1)
    assert taken.handed_over_at is None
    assert deferral.take_over(execution.pk, second.pk) is None


def test_a_worker_commits_under_the_fence_of_the_claim_and_no_longer_than_it_owns_it() -> None:
    execution = handed_over()
    taken = deferral.take_over(execution.pk, worker().pk)
    assert taken is not None
    run = attempt.run_of(taken, threading.Event())
    with run.fenced():
        pass
    ExecutionLog.objects.filter(pk=execution.pk).update(process_id=SchedulerProcessFactory().pk)
    with pytest.raises(RunLost), run.fenced():
        pytest.fail("the body ran")


def test_a_worker_whose_heart_stops_loses_its_run() -> None:
    execution = handed_over()
    silent = worker(heartbeat_at=timezone.now() - timedelta(seconds=9))
    deferral.take_over(execution.pk, silent.pk)
    assert recovery.close_abandoned(SchedulerProcessFactory().pk, spared=timedelta(0)) == [
        execution.pk
    ]


def test_what_waits_and_is_cancelled_is_closed_and_never_taken() -> None:
    execution = handed_over()
    going_on.ask_to_stop(execution.pk, "cancelled by ann")
    assert deferral.take_over(execution.pk, worker().pk) is None
    deferral.close_unwanted()
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == (Status.CANCELLED, "cancelled by ann")


def test_executions_that_no_worker_takes_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    execution = handed_over()
    with caplog.at_level(logging.WARNING):
        assert deferral.waiting_for(60) == []
        assert not caplog.messages
        ExecutionLog.objects.filter(pk=execution.pk).update(
            handed_over_at=timezone.now() - timedelta(seconds=61)
        )
        assert deferral.waiting_for(60) == [execution.pk]
    assert "executions=1: no worker took them for 60 s" in caplog.text
