"""The closing writes of runs: alone, or for many that ended at about the same time in one statement.

A thread that runs jobs puts the outcome down and takes the next run: a thousand short runs cost a dozen
statements, and none of them waits for the commit of another.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, connections

from scheduler_app.outage import AWAY

logger = logging.getLogger(__name__)

HELD_SECONDS = 1.0

# Told whether the execution was closed with that outcome; False if that was not ours to do any more.
Closed = Callable[[bool], None]

_CLOSE = """
    UPDATE scheduler_execution_log AS execution
    SET status = outcome.status, finished_at = outcome.finished_at,
        duration_ms = outcome.duration_ms, result = outcome.result::jsonb, log = outcome.log,
        error_message = outcome.error_message
    FROM jsonb_to_recordset(%s::jsonb) AS outcome (id bigint, process_id uuid, status text,
        finished_at timestamptz, duration_ms bigint, result text, log text, error_message text)
    WHERE execution.id = outcome.id AND execution.process_id IS NOT DISTINCT FROM outcome.process_id
        AND execution.status = 'RUNNING'
    RETURNING execution.id
"""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, for the execution of a process."""

    execution_id: int
    process_id: UUID | None
    status: str
    finished_at: datetime
    duration_ms: int
    result: object
    log: str
    error_message: str = ""

    def as_json(self) -> dict[str, object]:
        """What `_CLOSE` reads. The result is a text of its own: an empty one is no JSON null."""
        return {
            "id": self.execution_id,
            "process_id": self.process_id and str(self.process_id),
            "status": str(self.status),
            "finished_at": self.finished_at.isoformat(),
            "duration_ms": self.duration_ms,
            "result": None if self.result is None else json.dumps(self.result),
            "log": self.log,
            "error_message": self.error_message,
        }


def close(outcomes: Sequence[Outcome]) -> set[int]:
    """The executions that are closed now; the others were not RUNNING under that process any more.

    Raises:
        django.db.Error: none was closed; the same may be closed again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [json.dumps([each.as_json() for each in outcomes])])
        return {execution_id for (execution_id,) in cursor.fetchall()}


@dataclass(eq=False)
class _Ended:
    outcome: Outcome
    closed: Closed
    # Whether it was told that the database keeps it waiting.
    is_told: bool = False


class Closings:
    """The outcomes that wait to be written, by a thread that calls `work` whenever `wake` is set."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._changed = threading.Condition()
        self._waiting: list[_Ended] = []
        self._writing = False
        self._wrote_at = 0.0

    def put(self, outcome: Outcome, closed: Closed) -> None:
        """Have it written; `closed` is called by whoever wrote it, and must not raise."""
        with self._changed:
            self._waiting.append(_Ended(outcome, closed))
        self._wake.set()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to be written; False if something is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def work(self) -> None:
        """Write what waits, in one statement.

        Raises:
            django.db.OperationalError, django.db.InterfaceError: the database is away; all of it
                waits on.
        """
        with self._changed:
            group, self._waiting = self._waiting, []
            self._writing = bool(group)
        if not group:
            if time.monotonic() - self._wrote_at > HELD_SECONDS:
                # Held until the next run, hours later, it would be idle.
                connections.close_all()
            return
        try:
            _write(group)
        except AWAY:
            _tell(group)
            raise
        finally:
            self._wrote_at = time.monotonic()
            with self._changed:
                self._waiting = group + self._waiting
                self._writing = False
                self._changed.notify_all()


def _write(group: list[_Ended]) -> None:
    """Close those executions; what is done with leaves the group, also where an error is raised."""
    try:
        done = close([each.outcome for each in group])
    except AWAY:
        raise
    except Exception:
        if len(group) > 1:
            logger.exception("action=close executions=%s failed; each is tried alone", len(group))
            while group:
                _write(group[:1])
                del group[0]
            return
        logger.exception("action=close execution=%s failed", group[0].outcome.execution_id)
        done = set()
    while group:
        each = group.pop(0)
        each.closed(each.outcome.execution_id in done)


def _tell(waiting: list[_Ended]) -> None:
    """Once of each: these runs are over, and their executions do not say so yet."""
    new = [each for each in waiting if not each.is_told]
    for each in new:
        each.is_told = True
    if new:
        ids = ",".join(str(each.outcome.execution_id) for each in new)
        logger.warning("action=close executions=%s: repeated until it lands", ids)
