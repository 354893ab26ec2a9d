"""The processes that run jobs: their heartbeats, and what is done when one stops beating.

A process is dead by its heartbeat and the database's clock alone, never by how long a run takes.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseProblem
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from scheduler_app.models import ExecutionLog, Role, SchedulerProcess, Status
from scheduler_app.outage import Outage

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
# Eight beats missed. A run of such a process is closed within ten seconds of its end.
DEAD_AFTER = timedelta(seconds=8)
# A process that beats every second and has been silent for this long may be dead.
SILENT_AFTER = timedelta(seconds=2.5)
KEEP_STOPPED = timedelta(days=7)


@dataclass(frozen=True)
class Closed:
    """An execution that was closed by somebody other than its own run."""

    execution_id: int
    job_id: str
    reason: str


class ProcessRow:
    """This process as the others see it."""

    def __init__(self, role: Role = Role.SCHEDULER) -> None:
        self.id = uuid.uuid4()
        self.role = role
        self.host = socket.gethostname()[:255]
        self.pid = os.getpid()

    def register(self) -> None:
        SchedulerProcess.objects.create(
            id=self.id,
            host=self.host,
            pid=self.pid,
            role=self.role,
            started_at=Now(),
            heartbeat_at=Now(),
        )

    def beat(self) -> bool:
        """Say that this process lives; False if its row is gone."""
        return self.tell({"heartbeat_at": Now()})

    def tell(self, changes: Mapping[str, Any]) -> bool:
        """Write what others should know of this process; False if its row is gone."""
        return SchedulerProcess.objects.filter(pk=self.id).update(**changes) > 0

    def leave(self) -> None:
        SchedulerProcess.objects.filter(pk=self.id).update(stopped_at=Now(), next_runs=[])

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class HeartbeatThread(threading.Thread):
    """Beats for a process that has no loop of its own, such as a command that tracks one run."""

    def __init__(self, process: ProcessRow) -> None:
        super().__init__(name=f"heartbeat-{process.id}", daemon=True)
        self._process = process
        self._ended = threading.Event()

    def run(self) -> None:
        outage = Outage()
        try:
            while not self._ended.wait(BEAT_SECONDS):
                try:
                    connection.close_if_unusable_or_obsolete()
                    self._process.beat()
                    outage.over()
                except DatabaseProblem as error:
                    outage.note(error)
        finally:
            connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=5)


def close_abandoned(own: uuid.UUID, *, spared: timedelta = DEAD_AFTER) -> list[Closed]:
    """Close as FAILED every run whose process stopped beating.

    Nothing is closed while the database runs for less than `spared`: until it started, no process
    could beat.
    A row that a frozen process holds locked is left for the next time: this never waits. Nor does
    it keep others from asking such a run to stop, which they do under the lock of its job.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH lost AS (
                SELECT execution.id, process.host, process.pid, process.heartbeat_at
                FROM scheduler_execution_log AS execution
                LEFT JOIN scheduler_process AS process ON process.id = execution.process_id
                WHERE execution.status = 'RUNNING' AND execution.handed_over_at IS NULL
                  AND execution.process_id IS DISTINCT FROM %(own)s
                  AND (process.id IS NULL
                       OR process.heartbeat_at < statement_timestamp() - %(dead_after)s::interval)
                  AND pg_postmaster_start_time() < statement_timestamp() - %(spared)s::interval
                FOR NO KEY UPDATE OF execution SKIP LOCKED
            )
            UPDATE scheduler_execution_log AS execution
            SET status = 'FAILED',
                finished_at = statement_timestamp(),
                duration_ms = greatest(0, extract(epoch FROM
                    coalesce(lost.heartbeat_at, execution.started_at, execution.created_at)
                    - coalesce(execution.started_at, execution.created_at)) * 1000)::bigint,
                error_message = CASE WHEN lost.host IS NULL
                    THEN 'its process is not known'
                    ELSE 'its process ' || lost.host || ':' || lost.pid
                         || ' stopped responding at '
                         || to_char(lost.heartbeat_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                         || ' UTC'
                    END
            FROM lost WHERE execution.id = lost.id
            RETURNING execution.id, execution.job_id, execution.error_message
            """,
            {"own": own, "dead_after": _interval(DEAD_AFTER), "spared": _interval(spared)},
        )
        closed = [Closed(*row) for row in cursor.fetchall()]
    for run in closed:
        logger.error(
            "action=close_abandoned execution=%s job_id=%s: %s",
            run.execution_id,
            run.job_id,
            run.reason,
        )
    return closed


def _interval(length: timedelta) -> str:
    return f"{length.total_seconds()} seconds"


def forget_old() -> None:
    """Delete the rows of processes that ended long ago; their executions stay."""
    SchedulerProcess.objects.filter(heartbeat_at__lt=Now() - KEEP_STOPPED).delete()


def silent_jobs(own: uuid.UUID) -> set[str]:
    """The jobs with a run of another process that is silent, and may be dead."""
    silent = Q(process=None) | Q(process__heartbeat_at__lt=Now() - SILENT_AFTER)
    running = ExecutionLog.objects.filter(silent, status=Status.RUNNING, handed_over_at=None)
    return set(running.exclude(process_id=own).values_list("job_id", flat=True))


def close_own(own: uuid.UUID, reason: str) -> list[Closed]:
    """Close what this process still runs as CANCELLED."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scheduler_execution_log
            SET status = 'CANCELLED',
                finished_at = statement_timestamp(),
                duration_ms = greatest(0, extract(epoch FROM
                    statement_timestamp() - coalesce(started_at, created_at)) * 1000)::bigint,
                error_message = %s
            WHERE status = 'RUNNING' AND process_id = %s
            RETURNING id, job_id, error_message
            """,
            [reason, own],
        )
        closed = [Closed(*row) for row in cursor.fetchall()]
    for run in closed:
        logger.warning("action=cut_off execution=%s job_id=%s", run.execution_id, run.job_id)
    return closed
