"""Where the work runs: threads of this process.

Work waits in an inbox by job. One free thread at a time takes what waits for as many jobs as threads
are free, claims it together, and hands out what it got; so one job's slots are claimed in order, and
nothing is claimed that no thread is free to run, or will be within a tenth of a second while runs are
that short. While the database is away the work stays in the inbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice

from django.db import close_old_connections, connections

from scheduler_app.errors import LeaseLost
from scheduler_app.models import ExecutionLog
from scheduler_app.outage import AWAY, Outage
from scheduler_app.runner import Runner
from scheduler_app.watchdog import Watched
from scheduler_app.work import Work, merged

logger = logging.getLogger(__name__)

THREADS = 32
RETRY_SECONDS = 0.5
TRUSTED_SECONDS = 1.0
SOON_SECONDS = 0.1
ROOM_AT_MOST = 200


class ThreadDispatcher:
    def __init__(
        self,
        runner: Runner,
        outage: Outage,
        threads: int = THREADS,
        ended: Callable[[str], None] = lambda job_id: None,
    ) -> None:
        """`ended` is told the job of every run that ended here."""
        self._runner = runner
        self._outage = outage
        self._tell_ended = ended
        self._changed = threading.Condition()
        self._waiting: dict[str, dict[Work, None]] = {}
        # What could not be claimed for an error of its own: tried again with the job's next work.
        self._parked: dict[str, dict[Work, None]] = {}
        self._is_claiming = False
        self._claimed: deque[ExecutionLog] = deque()
        self._ended: deque[float] = deque(maxlen=ROOM_AT_MOST)
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
            parked = self._parked.pop(work.job_id, {})
            self._waiting.setdefault(work.job_id, parked)[work] = None
            self._changed.notify()

    def drop_waiting(self) -> None:
        """Forget what is not claimed: whoever leads now finds it in the database."""
        with self._changed:
            self._waiting.clear()
            self._parked.clear()

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

    def unstarted(self) -> list[ExecutionLog]:
        """What was claimed and is not started any more, once this dispatcher takes nothing more."""
        with self._changed:
            left = list(self._claimed)
            self._claimed.clear()
        return left

    def wait(self, seconds: float) -> bool:
        """Wait until nothing runs any more; False if something still does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, seconds)

    def _serve(self) -> None:
        try:
            used_at = 0.0
            while (task := self._take()) is not None:
                try:
                    # One that was used a moment ago needs no look at whether it still works.
                    if time.monotonic() - used_at > TRUSTED_SECONDS:
                        close_old_connections()
                    task()
                    used_at = time.monotonic()
                except Exception:
                    logger.exception("action=dispatch failed")
                finally:
                    self._end_task()
        finally:
            connections.close_all()

    def _take(self) -> Callable[[], None] | None:
        """The next task, waited for; None once this dispatcher takes nothing more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._claimed or self._may_claim())
            if self._stopped:
                return None
            self._busy += 1
            if self._claimed:
                return partial(self._run, self._claimed.popleft())
            self._is_claiming = True
            job_ids = list(islice(self._waiting, self._room()))
            return partial(
                self._claim_and_run,
                {job_id: deque(merged(self._waiting.pop(job_id))) for job_id in job_ids},
            )

    def _room(self) -> int:
        """How many runs could start about now: by threads that are free, or were until just now."""
        just_now = time.monotonic() - SOON_SECONDS
        while self._ended and self._ended[0] < just_now:
            self._ended.popleft()
        free = len(self._threads) - self._busy + 1
        return max(free, len(self._ended) - len(self._claimed))

    def _may_claim(self) -> bool:
        return bool(self._waiting) and not self._is_claiming

    def _end_task(self) -> None:
        with self._changed:
            self._busy -= 1
            self._ended.append(time.monotonic())
            idle = not self._claimed and not self._waiting
            if self._stopped:
                self._changed.notify_all()
        if idle:
            # An idle thread would hold its connection until its next run, hours later.
            connections.close_all()

    def _claim_and_run(self, works: dict[str, deque[Work]]) -> None:
        claimed: list[ExecutionLog] = []
        try:
            self._claim(works, claimed)
            self._outage.over()
        except LeaseLost as lost:
            logger.warning("action=claim jobs=%s: %s", len(works), lost)
            works.clear()
        except AWAY as error:
            self._outage.note(error)
            if not claimed:
                self._pause()
        finally:
            with self._changed:
                self._is_claiming = False
                mine = 0 if self._stopped else 1
                self._claimed.extend(claimed[mine:])
                for job_id, left in works.items():
                    if left:
                        later = self._waiting.pop(job_id, {})
                        self._waiting[job_id] = dict.fromkeys(left) | later
                self._changed.notify(len(claimed) + 1)
        for execution in claimed[:mine]:
            self._run(execution)

    def _run(self, execution: ExecutionLog) -> None:
        self._runner.execute(execution)
        self._tell_ended(execution.job_id)

    def _claim(self, works: dict[str, deque[Work]], claimed: list[ExecutionLog]) -> None:
        """Claim what may be claimed; what is decided is taken out of `works`."""
        try:
            single = [left[0] for left in works.values() if len(left) == 1]
            for execution in self._runner.claim_plain(single):
                claimed.append(execution)
                works[execution.job_id].popleft()
        except (LeaseLost, *AWAY):
            raise
        except Exception:
            logger.exception("action=claim jobs=%s failed; each is tried alone", len(works))
        for job_id, left in works.items():
            try:
                while left and not self._stopped:
                    claimed += self._runner.claim(left[0])
                    left.popleft()
            except (LeaseLost, *AWAY):
                raise
            except Exception:
                # One row must not keep the others from starting.
                logger.exception("action=claim job_id=%s failed", job_id)
                with self._changed:
                    self._parked[job_id] = dict.fromkeys(left)
                left.clear()

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, RETRY_SECONDS)
        close_old_connections()
