"""Where the work runs: threads of this process, or workers wherever they are.

The seam is `Start`, what is done with an execution once it is claimed: `Runner.execute` runs it in the
thread that claimed it, `deferral.hand_over` gives it away.

Work waits in an inbox by job. One thread takes what waits for as many jobs as threads are free, and
claims together what can just be started, while the others run what was claimed before; what asks for a
closer look is claimed job by job, by as many threads as are free. So one job's slots are claimed in
order, and nothing is claimed that no thread is free to run, or will be within 0.3 s while runs are that
short. While the database is away the work stays in the inbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from django.db import close_old_connections, connections
from django.utils.translation import activate

from scheduler_app.errors import LeaseLost
from scheduler_app.models import ExecutionLog
from scheduler_app.outage import AWAY, Outage
from scheduler_app.runner import Runner
from scheduler_app.told import STORED_LANGUAGE
from scheduler_app.watchdog import Watched
from scheduler_app.work import Work, merged

logger = logging.getLogger(__name__)

# What to do with a claimed execution, and what to call once that is closed or given away.
Start = Callable[[ExecutionLog, Callable[[], None]], None]
Task = Callable[[], None]

THREADS = 32
RETRY_SECONDS = 0.5
TRUSTED_SECONDS = 1.0
SOON_SECONDS = 0.3
# A run counts for no more: where three in ten are as long, nothing is claimed ahead of a free thread.
LONG_SECONDS = 1.0
LAST_RUNS = 64
ROOM_AT_MOST = 200


class Dispatcher:
    """Claims what is put in, and starts it, in the order of each job's work.

    `start` never raises; without it the runner executes here what it claimed. `ended` is told the job
    of every execution that is closed, or given away.
    """

    def __init__(
        self,
        runner: Runner,
        outage: Outage,
        threads: int = THREADS,
        ended: Callable[[str], None] = lambda job_id: None,
        start: Start | None = None,
    ) -> None:
        self._runner = runner
        self._start = start or runner.execute
        self._outage = outage
        self._tell_ended = ended
        lock = threading.Lock()
        # For the threads: there may be something to take. For the claimer: there may be work, and room
        # for it. For those that wait for an end: there may be.
        self._changed, self._due, self._over = (threading.Condition(lock) for _ in range(3))
        self._waiting: dict[str, dict[Work, None]] = {}
        # What could not be claimed for an error of its own: tried again with the job's next work.
        self._parked: dict[str, dict[Work, None]] = {}
        # What asks for a closer look, and the jobs that are being looked at.
        self._alone: dict[str, deque[Work]] = {}
        self._claiming: set[str] = set()
        self._is_claiming = False
        self._claimed: deque[ExecutionLog] = deque()
        # For how many seconds the last runs lasted; those of before the start are taken for long.
        self._lasted = deque([LONG_SECONDS] * LAST_RUNS, maxlen=LAST_RUNS)
        self._busy = 0
        self._stopped = False
        self._threads = [
            threading.Thread(
                target=self._serve,
                args=(self._take, self._end_task),
                name=f"run-{number}",
                daemon=True,
            )
            for number in range(threads)
        ]
        self._claimer = threading.Thread(
            target=self._serve, args=(self._take_work, self._end_claim), name="claimer", daemon=True
        )

    def put(self, work: Work) -> None:
        """Hand over work; the same work twice counts once while it waits."""
        with self._due:
            parked = self._parked.pop(work.job_id, {})
            self._waiting.setdefault(work.job_id, parked)[work] = None
            self._due.notify()

    def start(self) -> None:
        for thread in (*self._threads, self._claimer):
            thread.start()

    def run(self, claimed: list[ExecutionLog]) -> None:
        """Run what is claimed already."""
        with self._changed:
            self._hand_out(claimed, {})

    def drop_waiting(self) -> None:
        """Forget what is not claimed: whoever leads now finds it in the database."""
        with self._changed:
            self._waiting.clear()
            self._alone.clear()
            self._parked.clear()

    def watched(self) -> Watched:
        """For the watchdog. How long a run takes is nothing to judge it by."""
        return Watched("a run thread", self._is_alive, rounds=lambda: None, patience=0)

    def _is_alive(self) -> bool:
        threads = (*self._threads, self._claimer)
        return self._stopped or all(thread.is_alive() for thread in threads)

    def stop_taking(self) -> None:
        """Claim nothing more; runs under way go on."""
        with self._changed:
            self._stopped = True
            for waited_for in (self._changed, self._due, self._over):
                waited_for.notify_all()

    def unstarted(self) -> list[ExecutionLog]:
        """What was claimed and is not started any more, once this dispatcher takes nothing more."""
        with self._changed:
            left = list(self._claimed)
            self._claimed.clear()
        return left

    def wait(self, seconds: float) -> bool:
        """Wait until nothing runs any more; False if something still does."""
        with self._over:
            return self._over.wait_for(lambda: not self._busy and not self._is_claiming, seconds)

    def _serve(self, take: Callable[[], Task | None], end: Callable[[float], None]) -> None:
        activate(STORED_LANGUAGE)
        try:
            used_at = 0.0
            while (task := take()) is not None:
                began = time.monotonic()
                try:
                    # One that was used a moment ago needs no look at whether it still works.
                    if began - used_at > TRUSTED_SECONDS:
                        close_old_connections()
                    task()
                    used_at = time.monotonic()
                except Exception:
                    logger.exception("action=dispatch failed")
                finally:
                    end(time.monotonic() - began)
        finally:
            connections.close_all()

    def _take(self) -> Task | None:
        """The next task, waited for; None once this dispatcher takes nothing more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._claimed or self._alone)
            if self._stopped:
                return None
            self._busy += 1
            task = self._task()
            # Whoever takes something wakes the next: short runs are done before many threads wake.
            if self._claimed or self._alone:
                self._changed.notify()
            self._wake_claimer()
            return task

    def _task(self) -> Task:
        if self._claimed:
            return partial(self._run, self._claimed.popleft())
        job_id = next(iter(self._alone))
        self._claiming.add(job_id)
        return partial(self._claim_alone, job_id, self._alone.pop(job_id))

    def _end_task(self, seconds: float) -> None:
        with self._changed:
            self._busy -= 1
            self._lasted.append(min(seconds, LONG_SECONDS))
            idle = not self._claimed and not self._waiting
            self._wake_claimer()
            if self._stopped:
                self._over.notify_all()
        if idle:
            # An idle thread would hold its connection until its next run, hours later.
            connections.close_all()

    def _take_work(self) -> Task | None:
        """As `_take`, for the claimer."""
        with self._due:
            self._due.wait_for(lambda: self._stopped or (self._room() and any(self._free_jobs())))
            if self._stopped:
                return None
            self._is_claiming = True
            job_ids = list(islice(self._free_jobs(), self._room()))
            works = {job_id: deque(merged(self._waiting.pop(job_id))) for job_id in job_ids}
            return partial(self._claim_together, works)

    def _wake_claimer(self) -> None:
        """Under the lock, where room may have been made."""
        if self._waiting and self._room():
            self._due.notify()

    def _free_jobs(self) -> Iterator[str]:
        taken = self._claiming | self._alone.keys()
        return (job_id for job_id in self._waiting if job_id not in taken)

    def _room(self) -> int:
        """How many more runs could start about now, on threads that are free: one each, or as many as
        they will get through in a moment if these are like the last ones.

        None while what is claimed keeps them busy: a claim of many costs little more than one of few.
        """
        mean = sum(self._lasted) / LAST_RUNS
        free = len(self._threads) - self._busy
        able = min(int(free * max(1.0, SOON_SECONDS / mean)), ROOM_AT_MOST)
        return able - len(self._claimed) if len(self._claimed) <= able // 2 else 0

    def _end_claim(self, _seconds: float) -> None:
        with self._due:
            self._is_claiming = False
            idle = not self._waiting
            self._over.notify_all()
        if idle:
            connections.close_all()

    def _claim_together(self, works: dict[str, deque[Work]]) -> None:
        """Claim of these jobs what can just be started; the others are to be looked at alone."""
        claimed: list[ExecutionLog] = []
        back: dict[str, deque[Work]] = {}
        try:
            single = [left[0] for left in works.values() if len(left) == 1]
            claimed = self._runner.claim_plain(single)
            for execution in claimed:
                del works[execution.job_id]
            if claimed:
                self._outage.over()
        except LeaseLost as lost:
            logger.warning("action=claim jobs=%s: %s", len(works), lost)
            works.clear()
        except AWAY as error:
            self._outage.note(error)
            self._pause()
            back = works
        except Exception:
            logger.exception("action=claim jobs=%s failed; each is tried alone", len(works))
        with self._changed:
            if back is not works:
                self._alone |= works
            self._hand_out(claimed, back)

    def _claim_alone(self, job_id: str, works: deque[Work]) -> None:
        claimed: list[ExecutionLog] = []
        try:
            while works and not self._stopped:
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
        except Exception:
            # One row must not keep the others from starting.
            logger.exception("action=claim job_id=%s failed", job_id)
            with self._changed:
                self._parked[job_id] = dict.fromkeys(works)
            works.clear()
        with self._changed:
            self._claiming.discard(job_id)
            self._hand_out(claimed, {job_id: works})

    def _hand_out(self, claimed: list[ExecutionLog], left: dict[str, deque[Work]]) -> None:
        """Under the lock: what was claimed is for any thread, and what is left waits again."""
        self._claimed.extend(claimed)
        for job_id, works in left.items():
            if works:
                later = self._waiting.pop(job_id, {})
                self._waiting[job_id] = dict.fromkeys(works) | later
        self._changed.notify()
        self._due.notify()

    def _run(self, execution: ExecutionLog) -> None:
        self._start(execution, partial(self._tell_ended, execution.job_id))

    def _pause(self) -> None:
        with self._over:
            self._over.wait_for(lambda: self._stopped, RETRY_SECONDS)
        close_old_connections()
