"""What a job is given: its slot, its arguments, and the two ways to ask "am I still wanted?"."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from scheduler_app import going_on
from scheduler_app.errors import RunCancelled, RunLost, RunStopped, RunTimedOut
from scheduler_app.models import Status

STOPPED = "the scheduler was stopped"
# As `processes.DEAD_AFTER`: a frozen run must not keep its execution locked for longer.
FROZEN_AFTER = "8s"

# What a run asks at its checkpoints: is it still this process's, was it asked to stop, and for how
# long has it run, by the database's clock, against the limit its schedule has now.
_STATE = """
    SELECT execution.status, execution.process_id, execution.fence, request.reason, config.time_limit_seconds,
        extract(epoch FROM statement_timestamp() - execution.started_at)
    FROM scheduler_execution_log AS execution
    LEFT JOIN scheduler_stop_request AS request
        ON request.execution_id = execution.id AND request.at_once
    LEFT JOIN scheduler_job_config AS config ON config.job_id = execution.job_id
    WHERE execution.id = %s
"""


@dataclass
class Run:
    """One attempt at one slot.

    `process_id` is the process that owns the execution, under `fence`; `stop` is set when that
    process is asked to stop.
    """

    execution_id: int
    job_id: str
    scheduled_for: datetime
    attempt: int
    kwargs: Mapping[str, object]
    caused_by: str = ""
    process_id: UUID | None = None
    fence: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def checkpoint(self) -> None:
        """Call between units of work.

        Raises:
            RunStopped: the process of this run is stopping.
            RunCancelled: this run was asked to stop.
            RunTimedOut: it has run for longer than its schedule allows.
            RunLost: the execution was closed by someone else.
        """
        if self.stop.is_set():
            raise RunStopped(STOPPED)
        with connection.cursor() as cursor:
            cursor.execute(_STATE, [self.execution_id])
            state = cursor.fetchone()
        self._check(state and state[:3])
        asked, limit, seconds = state[3:]
        if asked:
            raise RunCancelled(asked)
        if limit and seconds > limit:
            raise RunTimedOut(f"it ran longer than its time limit of {limit} s")

    def follow_up(self, at: datetime) -> None:
        """Ask for another run with the same arguments at that moment, instead of the next slot.

        Nothing follows a run whose job was stopped while it was under way.
        """
        going_on.follow_up(self.execution_id, at)

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """A transaction that commits only while this run owns its execution.

        The row is locked FOR SHARE: whoever closes it waits for this commit, and once it is
        closed no further commit gets through. The server ends the transaction of a process that
        freezes inside, by the time that process counts as dead.

        Raises:
            RunLost: before the body runs, if the execution is not RUNNING under this owner and fence.
        """
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT status, process_id, fence,"
                    " set_config('idle_in_transaction_session_timeout', %s, true)"
                    " FROM scheduler_execution_log WHERE id = %s FOR SHARE",
                    [FROZEN_AFTER, self.execution_id],
                )
                row = cursor.fetchone()
            self._check(row and row[:3])
            yield

    def _check(self, owner: tuple[str, UUID | None, int | None] | None) -> None:
        if owner != (Status.RUNNING, self.process_id, self.fence):
            found = "gone" if owner is None else owner[0]
            raise RunLost(
                f"Execution {self.execution_id} of {self.job_id} is {found}: this run lost it."
            )
