"""Where the work runs: threads of this process.

Work waits in an inbox by job. A free thread takes everything that waits for one job, claims it, and
runs what it got, so that one job's slots are claimed in order and nothing is claimed that no thread
is free to run. While the database is away the work stays in the inbox.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from django.db import close_old_connections, connections

from scheduler_app.errors import LeaseLost
from scheduler_app.models import ExecutionLog
from scheduler_app.outage import AWAY, Outage
from scheduler_app.runner import Runner, Work, merged
from scheduler_app.watchdog import Watched

logger = logging.getLogger(__name__)

THREADS = 32
RETRY_SECONDS = 0.5


class ThreadDispatcher:
    def __init__(self, runner: Runner, outage: Outage, threads: int = THREADS) -> None:
        self._runner = runner
        self._outage = outage
        self._changed = threading.Condition()
        self._waiting: dict[str, dict[Work, None]] = {}
        self._claiming: set[str] = set()
        self._claimed: deque[ExecutionLog] = deque()
        self._busy = 0
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"run-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def put(self, work: Work) -> None:
        """Hand over work; the same work twice counts once while it waits."""
        with self._changed:
            self._waiting.setdefault(work.job_id, {})[work] = None
            self._changed.notify()

    def drop_waiting(self) -> None:
        """Forget what is not claimed: whoever leads now finds it in the database."""
        with self._changed:
            self._waiting.clear()

    def watched(self) -> Watched:
        """For the watchdog. How long a run takes is nothing to judge it by."""
        return Watched("a run thread", self._is_alive, rounds=lambda: None, patience=0)

    def _is_alive(self) -> bool:
        return self._stopped or all(thread.is_alive() for thread in self._threads)

    def stop_taking(self) -> None:
        """Claim nothing more; runs under way go on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing runs any more; False if something still does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, seconds)

    def _serve(self) -> None:
        try:
            while (task := self._take()) is not None:
                try:
                    close_old_connections()
                    task()
                except Exception:
                    logger.exception("action=dispatch failed")
                finally:
                    self._end_task()
        finally:
            connections.close_all()

    def _take(self) -> Callable[[], None] | None:
        """The next task, waited for; None once this dispatcher takes nothing more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._claimed or self._next_job())
            if self._stopped:
                return None
            self._busy += 1
            if self._claimed:
                return partial(self._runner.execute, self._claimed.popleft())
            job_id = self._next_job() or ""
            self._claiming.add(job_id)
            return partial(self._claim_and_run, job_id, deque(merged(self._waiting.pop(job_id))))

    def _end_task(self) -> None:
        with self._changed:
            self._busy -= 1
            idle = not self._claimed and not self._waiting
            self._changed.notify_all()
        if idle:
            # An idle thread would hold its connection until its next run, hours later.
            connections.close_all()

    def _next_job(self) -> str | None:
        return next((job_id for job_id in self._waiting if job_id not in self._claiming), None)

    def _claim_and_run(self, job_id: str, works: deque[Work]) -> None:
        claimed: list[ExecutionLog] = []
        try:
            while works and not self._stopped:
                try:
                    claimed += self._runner.claim(works[0])
                    self._outage.over()
                    works.popleft()
                except LeaseLost as lost:
                    logger.warning("action=claim job_id=%s: %s", job_id, lost)
                    works.clear()
                except AWAY as error:
                    self._outage.note(error)
                    if not claimed:
                        self._pause()
                    break
        finally:
            with self._changed:
                self._claiming.discard(job_id)
                self._claimed.extend(claimed[1:])
                if works:
                    later = self._waiting.get(job_id, {})
                    self._waiting[job_id] = dict.fromkeys(works) | later
                self._changed.notify_all()
        for execution in claimed[:1]:
            self._runner.execute(execution)

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, RETRY_SECONDS)
        close_old_connections()
