"""What a worker does with an execution or a call for help: in a thread, so that its queue goes on.

A worker is a process like a scheduler's: a row, a heartbeat every second, from its first run on. Asked
to stop, its runs end at their next checkpoint; those that do not are closed as CANCELLED.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connections

from scheduler_app import attempt, deferral, own_process, recovery
from scheduler_app.models import Role
from scheduler_app.processes import HeartbeatThread, ProcessRow
from scheduler_app.registry import registry

logger = logging.getLogger(__name__)

STOP_SECONDS = 25.0
STOPPED = "its worker was stopped"

Body = Callable[[threading.Event], None]


class _Worker:
    """This process, once it has something to run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ProcessRow | None = None

    def process_id(self) -> UUID:
        """Of this process, which beats from now on.

        Raises:
            django.db.Error: the database is away.
        """
        with self._lock:
            if self._process is None:
                process = ProcessRow(Role.WORKER)
                process.register()
                HeartbeatThread(process).start()
                atexit.register(self._leave)
                self._process = process
            elif not self._process.beat():
                # The row is gone, after a restore or a week without a beat.
                self._process.register()
            return self._process.id

    def cut_off(self) -> None:
        if self._process is not None:
            recovery.close_own(self._process.id, STOPPED)

    def _leave(self) -> None:
        with contextlib.suppress(DatabaseError):
            if self._process is not None:
                self._process.leave()
        connections.close_all()


_worker = _Worker()


def run(execution_id: int, stop: threading.Event) -> None:
    """Take an execution over and run its job. What goes wrong in that is in the execution.

    Raises:
        django.db.Error: the database is away; nothing was taken.
    """
    execution = deferral.take_over(execution_id, _worker.process_id())
    if execution is None:
        return
    # Until it lands, or the process ends.
    try_again = partial(_wait, threading.Event())
    if execution.in_own_process:
        own_process.make(execution, stop=stop, try_again=try_again)
    else:
        work = attempt.of_job(registry, execution)
        attempt.make(execution, work, stop=stop, try_again=try_again)


def _wait(never: threading.Event) -> bool:
    return not never.wait(1.0)


async def in_thread(body: Body) -> None:
    """Do it in a thread of its own, which gives way when the worker is asked to stop.

    Raises:
        asyncio.CancelledError: the worker stops; what `body` ran is ended or closed by then.
        Whatever `body` raises.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    stop = threading.Event()
    errors: list[Exception] = []

    def serve() -> None:
        try:
            body(stop)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()
            with contextlib.suppress(RuntimeError):  # the loop may be over
                loop.call_soon_threadsafe(ended.set)

    # A daemon: a run that never asks whether it is wanted must not keep the process from ending.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(serve,), name="run", daemon=True).start()
    try:
        await ended.wait()
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), STOP_SECONDS)
        if not ended.is_set():
            logger.warning("action=stop: a run is cut off after %s s", STOP_SECONDS)
            await asyncio.to_thread(_worker.cut_off)
        raise
    for error in errors:
        raise error
