"""Others hear of a run that was cut off, in the transaction that closes it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from scheduler_app import recovery
from scheduler_app.models import ExecutionLog, JobConfig, Status, StopRequest
from tests.factories import ExecutionLogFactory, JobConfigFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db

OWN = uuid.uuid4()


@contextmanager
def told(error: Exception | None = None) -> Iterator[list[dict[str, object]]]:
    heard: list[dict[str, object]] = []

    def receiver(**what: object) -> None:
        heard.append({name: what[name] for name in ("execution_id", "job_id", "reason")})
        if error is not None:
            raise error

    recovery.run_cut_off.connect(receiver, weak=False)
    try:
        yield heard
    finally:
        recovery.run_cut_off.disconnect(receiver)


def abandoned() -> ExecutionLog:
    dead = SchedulerProcessFactory(heartbeat_at=timezone.now() - timedelta(seconds=9))
    made: ExecutionLog = ExecutionLogFactory(running=True, process=dead)
    return made


def close() -> list[int]:
    return recovery.close_abandoned(OWN, spared=timedelta(0))


def test_it_tells_of_a_run_whose_process_is_gone() -> None:
    run = abandoned()
    with told() as heard:
        close()
    run.refresh_from_db()
    assert heard == [
        {"execution_id": run.pk, "job_id": run.job_id, "reason": run.error_message},
    ]
    assert "stopped responding at" in run.error_message


def test_it_tells_of_a_run_that_a_stop_cuts_off() -> None:
    run = ExecutionLogFactory(running=True)
    with told() as heard:
        recovery.close_own(run.process_id, "the scheduler was stopped")
    assert [what["execution_id"] for what in heard] == [run.pk]


def test_a_receiver_that_fails_keeps_no_run_open(caplog: pytest.LogCaptureFixture) -> None:
    first, second = abandoned(), abandoned()
    with told(ValueError("no such task")) as heard:
        assert sorted(close()) == [first.pk, second.pk]
    assert len(heard) == 2
    first.refresh_from_db()
    assert first.status == Status.FAILED
    assert "no such task" in caplog.text


def test_what_a_failing_receiver_wrote_is_undone() -> None:
    run = abandoned()

    def receiver(**what: object) -> None:
        JobConfigFactory(job_id="half")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    recovery.run_cut_off.connect(receiver, weak=False)
    try:
        assert close() == [run.pk]
    finally:
        recovery.run_cut_off.disconnect(receiver)
    assert not JobConfig.objects.filter(job_id="half").exists()
    run.refresh_from_db()
    assert run.status == Status.FAILED


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_being_closed_can_be_asked_to_stop_without_a_wait() -> None:
    # Who closes it goes on to lock its job, and who asks has that locked: neither may wait.
    run = abandoned()
    other = connection.copy()
    try:
        with transaction.atomic():
            assert close() == [run.pk]
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
                cursor.execute(
                    "INSERT INTO scheduler_stop_request VALUES (%s, true, 'ann asked', now())",
                    [run.pk],
                )
    finally:
        other.close()
    assert StopRequest.objects.get().execution == run


@pytest.mark.django_db(transaction=True)
def test_nothing_is_closed_when_the_database_goes_away_in_between() -> None:
    run = abandoned()
    with told(OperationalError("gone")), pytest.raises(OperationalError):
        close()
    run.refresh_from_db()
    assert run.status == Status.RUNNING
