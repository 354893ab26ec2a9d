"""Runs that end at once are closed together, each with its own outcome."""

from __future__ import annotations

import threading
from functools import partial
from unittest.mock import patch

import pytest
from django.db import DataError, OperationalError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from scheduler_app import closing
from scheduler_app.closing import Closings, Outcome, close
from scheduler_app.models import ExecutionLog, Status
from tests.factories import ExecutionLogFactory

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
    assert close([outcome(execution, status=Status.CANCELLED, error_message="stopped")])
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == (Status.CANCELLED, "stopped")
    assert (execution.result, execution.log) == ({"of": execution.pk}, "said so")
    assert (execution.duration_ms, execution.finished_at is None) == (5, False)


def test_nothing_is_no_json_null() -> None:
    execution = ExecutionLogFactory(running=True)
    close([outcome(execution, result=None)])
    assert ExecutionLog.objects.filter(pk=execution.pk, result__isnull=True).exists()


def test_what_is_closed_or_anothers_is_left_alone() -> None:
    closed = ExecutionLogFactory(running=True, status=Status.FAILED)
    others = ExecutionLogFactory(running=True)
    assert not close([outcome(closed)])
    assert not close([Outcome(others.pk, None, "SUCCESS", timezone.now(), 1, None, "")])
    others.refresh_from_db()
    assert others.status == Status.RUNNING


class Ended:
    """Runs that are over, and what each was told of its closing."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.closings = Closings(self.wake)
        self.told: dict[int, bool] = {}

    def put(self, *executions: ExecutionLog, **changes: object) -> None:
        for each in executions:
            self.closings.put(outcome(each, **changes), partial(self.told.__setitem__, each.pk))


@pytest.fixture
def ended() -> Ended:
    return Ended()


def statuses() -> list[str]:
    return list(ExecutionLog.objects.order_by("pk").values_list("status", flat=True))


class TestTogether:
    def test_those_that_wait_are_written_in_one_statement(
        self, ended: Ended, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        executions = ExecutionLogFactory.create_batch(8, running=True)
        ended.put(*executions)
        assert ended.wake.is_set()
        assert not ended.closings.wait(0)
        with django_assert_num_queries(1):
            ended.closings.work()
        assert ended.told == {each.pk: True for each in executions}
        results = ExecutionLog.objects.filter(status=Status.SUCCESS).values_list("pk", "result")
        assert all(result == {"of": pk} for pk, result in results)
        assert len(results) == 8
        assert ended.closings.wait(0)

    def test_who_was_closed_by_another_is_told_so(self, ended: Ended) -> None:
        ours, others = ExecutionLogFactory.create_batch(2, running=True)
        ExecutionLog.objects.filter(pk=others.pk).update(status=Status.FAILED)
        ended.put(ours, others)
        ended.closings.work()
        assert ended.told == {ours.pk: True, others.pk: False}
        assert statuses() == [Status.SUCCESS, Status.FAILED]

    def test_while_the_database_is_away_all_wait_on_in_their_order(
        self, ended: Ended, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, second, third = ExecutionLogFactory.create_batch(3, running=True)
        ended.put(first, second)
        with patch.object(closing, "close", side_effect=OperationalError("gone")):
            for _ in range(2):
                with pytest.raises(OperationalError, match="gone"):
                    ended.closings.work()
        assert not ended.told
        assert caplog.messages == [
            f"action=close executions={first.pk},{second.pk}: repeated until it lands"
        ]
        assert not ended.closings.wait(0)
        ended.put(third)
        ended.closings.work()
        assert list(ended.told) == [first.pk, second.pk, third.pk]
        assert statuses() == [Status.SUCCESS] * 3

    @pytest.mark.django_db(transaction=True)
    def test_what_cannot_be_written_keeps_no_other_open(
        self, ended: Ended, caplog: pytest.LogCaptureFixture
    ) -> None:
        before, bad, after = ExecutionLogFactory.create_batch(3, running=True)
        ended.put(before)
        ended.put(bad, duration_ms=2**63)
        ended.put(after)
        ended.closings.work()
        assert ended.told == {before.pk: True, bad.pk: False, after.pk: True}
        assert statuses() == [Status.SUCCESS, Status.RUNNING, Status.SUCCESS]
        assert f"action=close execution={bad.pk} failed" in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_an_outage_while_each_is_tried_alone_leaves_those_not_written(
        self, ended: Ended
    ) -> None:
        before, bad, after = ExecutionLogFactory.create_batch(3, running=True)
        ended.put(before, bad, after)
        answers = [DataError("bad"), {before.pk}, DataError("bad"), OperationalError("gone")]
        with (
            patch.object(closing, "close", side_effect=answers),
            pytest.raises(OperationalError, match="gone"),
        ):
            ended.closings.work()
        assert ended.told == {before.pk: True, bad.pk: False}
        ended.closings.work()
        assert ended.told[after.pk]

    def test_an_idle_closer_holds_no_connection(self, ended: Ended) -> None:
        with patch.object(closing, "connections") as connections:
            ended.closings.work()
        connections.close_all.assert_called_once_with()
