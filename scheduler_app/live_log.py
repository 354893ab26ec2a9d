"""What runs under way have logged so far, for people who watch: written every two seconds.

A table of its own: a run holds its execution locked while it commits, and nothing here waits for it.
Each process that runs jobs has one thread for all its runs, which lives as long as there are any. What
began since its last look has its turn at the next: a run of under two seconds costs nothing.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from django.db import Error as DatabaseProblem
from django.db import connection
from django.db.models.functions import Now

from scheduler_app.capture import LogLines
from scheduler_app.models import ExecutionLog, LiveLog, Status
from scheduler_app.redaction import storable

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
# What a process that was killed left behind goes when it is so old.
FORGOTTEN_AFTER = timedelta(days=1)


class LiveLogs:
    """The log lines of the runs of this process."""

    def __init__(self, every_seconds: float = EVERY_SECONDS) -> None:
        self._every = every_seconds
        self._lock = threading.Lock()
        # How much of each was written; None of what began since the last look.
        self._written: dict[LogLines, str | None] = {}
        self._thread: threading.Thread | None = None

    def follow(self, lines: LogLines) -> None:
        """Write these from time to time, until `forget`."""
        with self._lock:
            self._written[lines] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._go_on, name="live log", daemon=True)
                self._thread.start()

    def forget(self, lines: LogLines) -> None:
        """The run is over: its execution has the log. Never raises."""
        with self._lock:
            was_written = self._written.pop(lines, None)
        if was_written and lines.execution_id is not None:
            try:
                LiveLog.objects.filter(pk=lines.execution_id).delete()
            except DatabaseProblem:
                # Nobody reads it any more, and it is forgotten in time.
                logger.warning("action=live_log execution=%s is left", lines.execution_id)

    def _go_on(self) -> None:
        pause = threading.Event()
        try:
            while True:
                pause.wait(self._every)
                with self._lock:
                    if not self._written:
                        self._thread = None
                        return
                try:
                    connection.close_if_unusable_or_obsolete()
                    self._look()
                except DatabaseProblem as error:
                    logger.warning("action=live_log: not written: %s", error)
                    connection.close()
        finally:
            connection.close()

    def _look(self) -> None:
        with self._lock:
            followed = dict(self._written)
            self._written = {lines: before or "" for lines, before in followed.items()}
        for lines, before in followed.items():
            if before is not None:
                self._write(lines, before)

    def _write(self, lines: LogLines, before: str) -> None:
        text = lines.text
        if lines.execution_id is None or text == before:
            return
        LiveLog.objects.update_or_create(
            execution_id=lines.execution_id, defaults={"text": storable(text), "written_at": Now()}
        )
        with self._lock:
            if lines in self._written:
                self._written[lines] = text
                return
        # It ended meanwhile.
        LiveLog.objects.filter(pk=lines.execution_id).delete()


def so_far(execution: ExecutionLog) -> str:
    """The log of an execution: while it runs, as far as it was written."""
    if execution.status != Status.RUNNING:
        return execution.log
    return LiveLog.objects.filter(pk=execution.pk).values_list("text", flat=True).first() or ""


def forget_old() -> None:
    LiveLog.objects.filter(written_at__lt=Now() - FORGOTTEN_AFTER).delete()


live_logs = LiveLogs()
