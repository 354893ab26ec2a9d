"""Runs that end at once are closed together, each with its own outcome."""

from __future__ import annotations

import threading
from unittest.mock import patch

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from scheduler_app import closing
from scheduler_app.closing import Closings, Outcome
from scheduler_app.models import ExecutionLog, Status
from tests.factories import ExecutionLogFactory
from tests.waiting import eventually

pytestmark = pytest.mark.django_db


def outcome(execution: ExecutionLog, **changes: object) -> Outcome:
    said: dict[str, object] = {
        "status": Status.SUCCESS,
        "finished_at": timezone.now(),
        "duration_ms": 5,
        "result": {"of": execution.pk},
        "log": "said so",
    }
    return Outcome(execution.pk, execution.process_id, **(said | changes))  # type: ignore[arg-type]


def test_it_writes_the_outcome() -> None:
    execution = ExecutionLogFactory(running=True)
    assert Closings().write(outcome(execution, status=Status.CANCELLED, error_message="stopped"))
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == (Status.CANCELLED, "stopped")
    assert (execution.result, execution.log) == ({"of": execution.pk}, "said so")
    assert (execution.duration_ms, execution.finished_at is None) == (5, False)


def test_nothing_is_no_json_null() -> None:
    execution = ExecutionLogFactory(running=True)
    Closings().write(outcome(execution, result=None))
    assert ExecutionLog.objects.filter(pk=execution.pk, result__isnull=True).exists()


def test_what_is_closed_or_anothers_is_left_alone() -> None:
    closed = ExecutionLogFactory(running=True, status=Status.FAILED)
    others = ExecutionLogFactory(running=True)
    assert not Closings().write(outcome(closed))
    assert not Closings().write(Outcome(others.pk, None, "SUCCESS", timezone.now(), 1, None, ""))
    others.refresh_from_db()
    assert others.status == Status.RUNNING


class Together:
    """Many threads that end while another one writes."""

    def __init__(self, executions: list[ExecutionLog]) -> None:
        self.closings = Closings()
        self.answers: list[bool | Exception] = []
        self._threads = [threading.Thread(target=self._end, args=[each]) for each in executions]

    def _end(self, execution: ExecutionLog) -> None:
        try:
            self.answers.append(self.closings.write(outcome(execution)))
        except Exception as error:
            self.answers.append(error)
        connections.close_all()

    def run(self) -> None:
        with self.closings._writing:
            for thread in self._threads:
                thread.start()
            assert eventually(lambda: len(self.closings._waiting) == len(self._threads))
        for thread in self._threads:
            thread.join()


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_those_that_wait_are_written_in_one_statement(self) -> None:
        executions = ExecutionLogFactory.create_batch(8, running=True)
        together = Together(executions)
        with patch.object(closing, "_close", wraps=closing._close) as close:
            together.run()
        assert close.call_count == 1
        assert together.answers == [True] * 8
        results = ExecutionLog.objects.filter(status=Status.SUCCESS).values_list("pk", "result")
        assert all(result == {"of": pk} for pk, result in results)
        assert len(results) == 8

    def test_when_the_database_is_away_each_of_them_hears_of_it(self) -> None:
        together = Together(ExecutionLogFactory.create_batch(3, running=True))
        with patch.object(closing, "_close", side_effect=OperationalError("gone")):
            together.run()
        assert [str(answer) for answer in together.answers] == ["gone"] * 3
