"""`ExecutionTracker`: the record of one run, for `with` and `async with`.

On entry the execution is RUNNING; on exit it is SUCCESS, FAILED or CANCELLED, with duration, log,
result and error, and an exception goes on. Whatever the database does to the tracker is logged at
ERROR and never reaches the job.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback as tracebacks
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone, translation

from scheduler_app import failures
from scheduler_app.capture import LogLines
from scheduler_app.closing import Closings, Outcome, close
from scheduler_app.errors import RunCancelled, RunStopped
from scheduler_app.live_log import live_logs
from scheduler_app.models import Cause, ExecutionLog, Role, Status
from scheduler_app.processes import HeartbeatThread, ProcessRow
from scheduler_app.redaction import storable, storable_json
from scheduler_app.run import Run
from scheduler_app.told import STORED_LANGUAGE

logger = logging.getLogger(__name__)

# How long a tracker of its own repeats the closing write while the database is away.
PATIENCE_SECONDS = 3.0


class ExecutionTracker:
    """Tracks one run of `job_id`.

    With `execution_id` it adopts that row, alone it creates one. `process_id` says that the
    execution is already claimed by that process; without it the tracker registers a process of its
    own, with a heartbeat, so that a run cut off by a kill does not stay RUNNING. `try_again` is
    asked each time the closing write finds no database: it waits, and says whether to go on.
    With `closings` a run that nothing follows from is closed by those, soon after this has ended, and
    `closed` is called then; without, or where something follows, before this ends.
    """

    def __init__(
        self,
        job_id: str,
        execution_id: int | None = None,
        caused_by: str = Cause.MANUAL,
        triggered_by: str = "",
        kwargs: Mapping[str, object] | None = None,
        *,
        process_id: UUID | None = None,
        try_again: Callable[[], bool] | None = None,
        closings: Closings | None = None,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.job_id = job_id
        self.execution_id = self._given_id = execution_id
        self._caused_by = caused_by
        self._triggered_by = triggered_by
        self._kwargs = dict(kwargs or {})
        self._claimed = execution_id is not None and process_id is not None
        self._process_id = process_id
        self._try_again = try_again or self._wait_a_little
        self._closings = closings
        self._tell_closed = closed
        self._heartbeat: HeartbeatThread | None = None
        self._process: ProcessRow | None = None
        self._lines = LogLines(execution_id)
        self._result: object = None
        # What its end entails, in the transaction that closes it; nothing, for most.
        self._follow: Callable[[list[int]], None] | None = None
        self._waited = 0.0
        self._said = False
        self._english = translation.override(STORED_LANGUAGE)

    @property
    def run(self) -> Run:
        """What a job function takes, for a caller that is not the scheduler."""
        return Run(
            execution_id=self.execution_id or 0,
            job_id=self.job_id,
            scheduled_for=self._started_at,
            attempt=1,
            kwargs=self._kwargs,
            caused_by=self._caused_by,
            process_id=self._process_id,
        )

    def set_result(self, result: Mapping[str, object] | None) -> None:
        """The summary that staff see; stored when the run ends, however it ends."""
        self._result = result

    def __enter__(self) -> Self:
        self._begin()
        self._open()
        self._english.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.end()
        try:
            self._close(error)
        finally:
            self._english.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        self._begin()
        await sync_to_async(self._open)()
        self._english.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.end()
        try:
            # Shielded: a cancelled task still gets its last word into the database.
            await asyncio.shield(sync_to_async(self._close)(error))
        finally:
            self._english.__exit__(kind, error, traceback)

    def _begin(self) -> None:
        self._started_at = timezone.now()
        self._clock = time.monotonic()
        self._lines.begin()
        live_logs.follow(self._lines)

    def _open(self) -> None:
        if self._claimed:
            return
        self._process = ProcessRow(Role.COMMAND)
        try:
            with transaction.atomic():
                self._process.register()
                self._process_id = self._process.id
                self._adopt_or_create()
        except Exception:
            self._process = self._process_id = None
            self.execution_id = self._given_id
            logger.exception("action=open job_id=%s: the run is not recorded yet", self.job_id)
            return
        self._heartbeat = HeartbeatThread(self._process)
        self._heartbeat.start()

    def _adopt_or_create(self) -> None:
        if self.execution_id is None:
            self._create()
            return
        ExecutionLog.objects.update(
            self.execution_id,
            status=Status.RUNNING,
            started_at=self._started_at,
            process_id=self._process_id,
        )

    def _create(self) -> int:
        with transaction.atomic():
            execution = ExecutionLog.objects.create(
                job_id=self.job_id,
                scheduled_for=self._started_at,
                status=Status.RUNNING,
                caused_by=self._caused_by,
                triggered_by=self._triggered_by[:150],
                process_id=self._process_id,
                job_kwargs=storable_json(self._kwargs),
                started_at=self._started_at,
            )
        self.execution_id = self._lines.execution_id = execution.pk
        return execution.pk

    def _close(self, error: BaseException | None) -> None:
        try:
            outcome = self._outcome(error)
            self._follow = _what_follows(outcome["status"], error)
            if self._closings is not None and self._follow is None and self.execution_id:
                self._closings.put(
                    Outcome(self.execution_id, self._process_id, **outcome), self._is_closed
                )
                return
            closed = self._write_until_it_lands(outcome)
        except Exception:
            logger.exception(
                "action=close job_id=%s execution=%s failed", self.job_id, self.execution_id
            )
            closed = True  # that was said
        self._is_closed(closed)

    def _is_closed(self, closed: bool) -> None:
        """The last of it. Never raises."""
        if not closed:
            logger.warning(
                "action=close job_id=%s execution=%s: already closed by someone else",
                self.job_id,
                self.execution_id,
            )
        live_logs.forget(self._lines)
        self._leave()
        self._tell_closed()

    def _write_until_it_lands(self, outcome: dict[str, Any]) -> bool:
        """Whether the execution was closed by this. Where no end of an outage is waited for, the row
        is left to whoever finds that the process is gone."""
        while True:
            try:
                return self._write(outcome)
            except (OperationalError, InterfaceError):
                self._say_once()
                if not self._try_again():
                    return True
                if not connection.in_atomic_block:
                    connection.close_if_unusable_or_obsolete()

    def _say_once(self) -> None:
        if not self._said:
            logger.exception(
                "action=close job_id=%s execution=%s: repeated until it lands",
                self.job_id,
                self.execution_id,
            )
        self._said = True

    def _outcome(self, error: BaseException | None) -> dict[str, Any]:
        outcome: dict[str, Any] = {
            "status": Status.SUCCESS,
            "finished_at": timezone.now(),
            "duration_ms": int((time.monotonic() - self._clock) * 1000),
            # A job that fails may still say what it did: in the `result` of its exception.
            "result": storable_json(self._result or getattr(error, "result", None)),
            "log": storable(self._lines.text),
        }
        if error is None:
            return outcome
        if isinstance(error, RunCancelled | KeyboardInterrupt | asyncio.CancelledError):
            outcome["status"] = Status.CANCELLED
            outcome["error_message"] = storable(str(error) or "the run was interrupted")
            return outcome
        outcome["status"] = Status.FAILED
        outcome["error_message"] = storable(_message(error))
        outcome["traceback"] = storable("".join(tracebacks.format_exception(error)))
        return outcome

    def _write(self, outcome: dict[str, Any]) -> bool:
        # Where the opening write failed the row comes late, but it comes.
        execution_id = self.execution_id or self._create()
        if self._follow is None:
            return bool(close([Outcome(execution_id, self._process_id, **outcome)]))
        return self._write_with(self._follow, execution_id, outcome)

    def _write_with(
        self, follow: Callable[[list[int]], None], execution_id: int, outcome: dict[str, Any]
    ) -> bool:
        with transaction.atomic():
            closed = ExecutionLog.objects.filter(
                pk=execution_id, process_id=self._process_id, status=Status.RUNNING
            ).update(**outcome)
            if closed:
                follow([execution_id])
        return closed > 0

    def _leave(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.end()
        if self._process is not None:
            try:
                self._process.leave()
            except Exception:
                logger.exception("action=leave process=%s failed", self._process)

    def _wait_a_little(self) -> bool:
        time.sleep(0.5)
        self._waited += 0.5
        return self._waited < PATIENCE_SECONDS


def _what_follows(status: str, error: BaseException | None) -> Callable[[list[int]], None] | None:
    if status == Status.FAILED:
        return partial(failures.after_failures, retriable=getattr(error, "retriable", True))
    return failures.after_stops if isinstance(error, RunStopped) else None


def _message(error: BaseException) -> str:
    text = str(error)
    # "'x'" for a KeyError, nothing at all for a bare exception: then the name says more.
    return text if text and not isinstance(error, KeyError) else f"{type(error).__name__}: {text}"
