"""`ExecutionTracker` tells what became of a run and never gets in its way."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from unittest.mock import patch

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import override_settings

from scheduler_app.capture import LogLines
from scheduler_app.errors import RunCancelled, RunLost
from scheduler_app.live_log import live_logs
from scheduler_app.models import Cause, ExecutionLog, SchedulerProcess, Status
from scheduler_app.tracker import ExecutionTracker
from tests.factories import ExecutionLogFactory

pytestmark = pytest.mark.django_db

CREATE = "scheduler_app.managers.ExecutionLogManager.create"


def stored(tracker: ExecutionTracker) -> ExecutionLog:
    assert tracker.execution_id is not None
    return ExecutionLog.objects.get(pk=tracker.execution_id)


def test_a_run_is_running_while_it_runs() -> None:
    with ExecutionTracker("one", caused_by=Cause.API, triggered_by="ann", kwargs={"a": 1}) as run:
        execution = stored(run)
    assert (execution.status, execution.caused_by) == (Status.RUNNING, Cause.API)
    assert (execution.triggered_by, execution.job_kwargs) == ("ann", {"a": 1})


def test_a_run_that_ends_is_a_success_with_its_duration() -> None:
    with ExecutionTracker("one") as tracker:
        tracker.set_result({"rows": 5})
    execution = stored(tracker)
    assert (execution.status, execution.result) == (Status.SUCCESS, {"rows": 5})
    assert execution.duration_ms is not None
    assert execution.finished_at is not None


def test_what_it_logs_is_followed_as_long_as_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[LogLines] = []
    monkeypatch.setattr(live_logs, "follow", followed.append)
    monkeypatch.setattr(live_logs, "forget", followed.remove)
    with ExecutionTracker("one") as run:
        (lines,) = followed
        assert lines.execution_id == run.execution_id
    assert followed == []


def test_a_run_that_raises_has_failed_and_the_exception_goes_on() -> None:
    with pytest.raises(ValueError, match="no such file"), ExecutionTracker("one") as tracker:
        raise ValueError("no such file")
    execution = stored(tracker)
    assert (execution.status, execution.error_message) == (Status.FAILED, "no such file")
    assert 'raise ValueError("no such file")' in execution.traceback


def test_an_exception_without_text_leaves_its_name() -> None:
    with pytest.raises(KeyError), ExecutionTracker("one") as tracker:
        raise KeyError("x")
    assert stored(tracker).error_message == "KeyError: 'x'"


def test_an_exception_of_any_length_is_kept() -> None:
    with pytest.raises(ValueError, match="xxx"), ExecutionTracker("one") as tracker:
        raise ValueError("x" * 5000)
    assert len(stored(tracker).error_message) == 5000


@pytest.mark.parametrize("error", [RunCancelled("stopped by ann"), KeyboardInterrupt()])
def test_a_run_that_was_asked_to_stop_is_cancelled(error: BaseException) -> None:
    with pytest.raises(type(error)), ExecutionTracker("one") as tracker:
        raise error
    assert stored(tracker).status == Status.CANCELLED


def test_it_adopts_a_queued_execution() -> None:
    queued = ExecutionLogFactory(queued=True, job_id="one")
    with ExecutionTracker("one", queued.pk) as tracker:
        assert stored(tracker).status == Status.RUNNING
    assert tracker.execution_id == queued.pk
    assert stored(tracker).status == Status.SUCCESS
    assert ExecutionLog.objects.filter(job_id="one").count() == 1


def test_it_leaves_an_execution_alone_that_someone_else_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ExecutionTracker("one") as tracker:
        ExecutionLog.objects.filter(job_id="one").update(status=Status.CANCELLED)
    assert stored(tracker).status == Status.CANCELLED
    assert "already closed by someone else" in caplog.text


def test_it_keeps_the_log_of_the_run_alone() -> None:
    logger = logging.getLogger("some.library")
    logger.warning("before")
    with ExecutionTracker("one") as tracker:
        logger.warning("copied %s rows", 5)
        other = threading.Thread(target=lambda: logger.warning("of another thread"))
        other.start()
        other.join()
    logger.warning("after")
    assert stored(tracker).log.endswith("WARNING some.library: copied 5 rows")
    assert "\n" not in stored(tracker).log


def test_it_keeps_the_last_lines_of_a_long_log() -> None:
    logger = logging.getLogger("some.library")
    with ExecutionTracker("one") as tracker:
        for number in range(700):
            logger.warning("line %s", number)
    log = stored(tracker).log
    assert log.startswith("(200 earlier lines are not kept)")
    assert log.endswith("line 699")
    assert len(log) <= 64 * 1024


@override_settings(TUSHARE_TOKEN="0123456789abcdef")
def test_no_secret_is_stored() -> None:
    with pytest.raises(ValueError, match="token"), ExecutionTracker("one") as tracker:
        logging.getLogger("x").warning("calling with 0123456789abcdef")
        tracker.set_result({"url": "https://host/0123456789abcdef"})
        raise ValueError("bad token 0123456789abcdef")
    execution = stored(tracker)
    everything = f"{execution.log}{execution.result}{execution.traceback}{execution.error_message}"
    assert "0123456789abcdef" not in everything
    assert everything.count("***") >= 4


def test_what_postgresql_refuses_does_not_stop_the_record() -> None:
    with pytest.raises(ValueError, match="bad"), ExecutionTracker("one") as tracker:
        tracker.set_result({"nan": float("nan"), "nul": "a\0b", "object": object, "set": {1, 2}})
        raise ValueError("bad \0 \ud800")
    execution = stored(tracker)
    assert execution.error_message == "bad � ?"
    assert execution.result is not None
    assert execution.result["nan"] is None


def test_a_database_failure_on_entry_does_not_break_the_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with patch(CREATE, side_effect=OperationalError("the server is gone")):
        tracker = ExecutionTracker("one").__enter__()
    tracker.__exit__(None, None, None)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert stored(tracker).status == Status.SUCCESS


def test_a_database_failure_on_exit_is_repeated_until_it_lands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = []

    def try_again() -> bool:
        tries.append(1)
        return True

    real, failures = ExecutionTracker._write, [OperationalError("gone")] * 3

    def write(self: ExecutionTracker, outcome: dict[str, object]) -> bool:
        if failures:
            raise failures.pop()
        return real(self, outcome)

    with (
        patch.object(ExecutionTracker, "_write", write),
        ExecutionTracker("one", try_again=try_again) as tracker,
    ):
        pass
    assert len(tries) == 3
    assert stored(tracker).status == Status.SUCCESS
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_database_that_stays_away_does_not_break_the_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = []
    with (
        patch.object(ExecutionTracker, "_write", side_effect=OperationalError("gone")),
        ExecutionTracker("one", try_again=lambda: False),
    ):
        done.append(1)
    assert done == [1]
    assert "ERROR" in [record.levelname for record in caplog.records]


def test_the_jobs_own_error_goes_on_when_the_database_fails_too() -> None:
    with (
        patch.object(ExecutionTracker, "_write", side_effect=RuntimeError("gone")),
        pytest.raises(ValueError, match="the job's"),
        ExecutionTracker("one"),
    ):
        raise ValueError("the job's")


def test_a_run_of_its_own_has_a_process_that_leaves_with_it() -> None:
    with ExecutionTracker("one") as tracker:
        process = stored(tracker).process
        assert process is not None
        assert (process.role, process.stopped_at) == ("command", None)
    assert SchedulerProcess.objects.get(pk=process.pk).stopped_at is not None


def test_a_run_may_commit_and_go_on_while_it_owns_its_execution() -> None:
    with ExecutionTracker("one") as tracker:
        tracker.run.checkpoint()
        with tracker.run.fenced():
            ExecutionLogFactory(job_id="effect")
    assert ExecutionLog.objects.filter(job_id="effect").count() == 1


def test_a_run_that_lost_its_execution_commits_nothing() -> None:
    with ExecutionTracker("one") as tracker:
        ExecutionLog.objects.filter(job_id="one").update(status=Status.FAILED)
        with pytest.raises(RunLost, match="is FAILED"), tracker.run.fenced():
            ExecutionLogFactory(job_id="effect")
        with pytest.raises(RunLost):
            tracker.run.checkpoint()
    assert not ExecutionLog.objects.filter(job_id="effect").exists()


def test_a_run_that_is_asked_to_stop_says_so_at_the_next_checkpoint() -> None:
    with ExecutionTracker("one") as tracker:
        run = tracker.run
        run.stop.set()
        with pytest.raises(RunCancelled, match="the scheduler was stopped"):
            run.checkpoint()


def test_async_success() -> None:
    async def work() -> ExecutionTracker:
        async with ExecutionTracker("one") as tracker:
            logging.getLogger("x").warning("from a coroutine")
            tracker.set_result({"rows": 1})
        return tracker

    execution = stored(async_to_sync(work)())
    assert (execution.status, execution.result) == (Status.SUCCESS, {"rows": 1})
    assert execution.log.endswith("from a coroutine")


def test_async_failure() -> None:
    tracker = ExecutionTracker("one")

    async def work() -> None:
        async with tracker:
            raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        async_to_sync(work)()
    assert stored(tracker).status == Status.FAILED


def test_async_does_not_block_the_loop() -> None:
    beats = []

    def slow(self: ExecutionTracker) -> None:
        time.sleep(0.3)

    async def beat() -> None:
        while True:
            beats.append(1)
            await asyncio.sleep(0.01)

    async def work() -> None:
        beating = asyncio.create_task(beat())
        async with ExecutionTracker("one"):
            beating.cancel()

    with (
        patch.object(ExecutionTracker, "_open", slow),
        patch.object(ExecutionTracker, "_close", lambda self, error: None),
    ):
        asyncio.run(work())
    assert len(beats) > 5
