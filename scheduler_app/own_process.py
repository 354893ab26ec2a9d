"""A run in a process of its own, which can be ended whether or not it asks to go on.

The process makes the attempt as a thread would, under the same owner and fence, and closes it
itself. Whoever started it asks every second what a run asks at its checkpoints. When that says no,
the run has a while to end by itself; then its process is killed, with all that it has started, and
the attempt is closed for it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from django.db import connections

from scheduler_app import attempt, recovery
from scheduler_app.errors import RunCancelled, RunLost, RunStopped, RunTimedOut
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.outage import AWAY
from scheduler_app.run import Run

logger = logging.getLogger(__name__)

ASK_SECONDS = 1.0
# How long a run that is not wanted any more may go on until its next checkpoint.
KILL_AFTER_SECONDS = 3.0
# As `service.STOP_SECONDS`, less the time to close what did not end.
KILL_AFTER_STOP_SECONDS = 20.0


def make(execution: ExecutionLog, *, stop: threading.Event, try_again: Callable[[], bool]) -> None:
    """Make the attempt in a process of its own. Never raises, as `attempt.make`."""
    try:
        run = attempt.run_of(execution, stop)
        ended, unwanted = _watch(execution, run)
        status, reason = _verdict(ended, unwanted)
        by_stop = isinstance(unwanted, RunStopped)
        while not _is_closed(execution, status, reason, by_stop=by_stop) and try_again():
            connections.close_all()
    except Exception:
        logger.exception("action=own_process execution=%s failed", execution.pk)


def _watch(execution: ExecutionLog, run: Run) -> tuple[int, Exception | None]:
    """Start the process and wait for its end; the exit code, and why it was not wanted any more."""
    unwanted: Exception | None = None
    kill_at = 0.0
    # The process ends when its standard input does: with this one, however that ends.
    with subprocess.Popen(
        [sys.executable, "-m", "scheduler_app.spawned", str(execution.pk)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        logger.info("action=own_process execution=%s pid=%s", execution.pk, process.pid)
        while (code := _wait(process)) is None:
            if unwanted is None:
                unwanted = _unwanted(run)
                patience = KILL_AFTER_STOP_SECONDS if run.stop.is_set() else KILL_AFTER_SECONDS
                kill_at = time.monotonic() + patience
                if unwanted is not None and run.stop.is_set():
                    process.terminate()
            elif time.monotonic() > kill_at:
                logger.warning("action=kill execution=%s pid=%s", execution.pk, process.pid)
                os.killpg(process.pid, signal.SIGKILL)
        return code, unwanted


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(ASK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _unwanted(run: Run) -> Exception | None:
    try:
        run.checkpoint()
    except (RunCancelled, RunTimedOut, RunLost) as why:
        return why
    except AWAY:
        connections.close_all()
    return None


def _verdict(code: int, unwanted: Exception | None) -> tuple[Status, str]:
    """What the attempt is closed with, if its process did not do that."""
    if unwanted is None:
        if code < 0:
            return Status.FAILED, f"its own process ended by signal {-code} before the run did"
        return Status.FAILED, f"its own process ended by exit code {code} before the run did"
    status = Status.CANCELLED if isinstance(unwanted, RunCancelled) else Status.FAILED
    return status, f"{unwanted}; it did not end by itself and was killed"


def _is_closed(execution: ExecutionLog, status: Status, reason: str, *, by_stop: bool) -> bool:
    """Close the attempt unless that is done; False while the database is away."""
    try:
        if recovery.close_for(execution, status, reason, by_stop=by_stop):
            logger.error(
                "action=closed_for execution=%s job_id=%s: %s",
                execution.pk,
                execution.job_id,
                reason,
            )
    except AWAY:
        return False
    return True
