"""The closing writes of runs, as a group where many end at once.

Of the threads that have an outcome to write, one writes for all that wait: a thousand short runs cost
some dozens of statements. Each thread comes back when its own outcome is committed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

_CLOSE = """
    UPDATE scheduler_execution_log AS execution
    SET status = outcome.status, finished_at = outcome.finished_at,
        duration_ms = outcome.duration_ms, result = outcome.result::jsonb, log = outcome.log,
        error_message = outcome.error_message
    FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::timestamptz[], %s::bigint[], %s::text[],
        %s::text[], %s::text[])
        AS outcome (id, process_id, status, finished_at, duration_ms, result, log, error_message)
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

    def row(self) -> tuple[object, ...]:
        result = None if self.result is None else json.dumps(self.result)
        return (self.execution_id, self.process_id, str(self.status), self.finished_at,
                self.duration_ms, result, self.log, self.error_message)  # fmt: skip


@dataclass(eq=False)
class _Waiting:
    outcome: Outcome
    is_done: bool = False
    was_ours: bool = False
    error: Exception | None = field(default=None)


class Closings:
    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[_Waiting] = []

    def write(self, outcome: Outcome) -> bool:
        """Close the execution; False if it was not RUNNING under that process any more.

        Raises:
            django.db.Error: nothing was written; the same may be written again.
        """
        mine = _Waiting(outcome)
        with self._guard:
            self._waiting.append(mine)
        with self._writing:
            if not mine.is_done:
                self._write_all()
        if mine.error is not None:
            raise mine.error
        return mine.was_ours

    def _write_all(self) -> None:
        with self._guard:
            group, self._waiting = self._waiting, []
        try:
            closed = _close([each.outcome for each in group])
            for each in group:
                each.was_ours = each.outcome.execution_id in closed
        except Exception as error:
            for each in group:
                # One of its own for every thread, which adds its traceback to it.
                each.error = type(error)(*error.args)
        finally:
            for each in group:
                each.is_done = True


def _close(outcomes: Sequence[Outcome]) -> set[int]:
    columns = [list(column) for column in zip(*(each.row() for each in outcomes), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, columns)
        return {execution_id for (execution_id,) in cursor.fetchall()}


closings = Closings()
