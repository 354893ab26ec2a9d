"""The scheduler of one process: its threads, and whether it is the active one or stands by.

- The pulse beats every second, and renews the lease or tries to take it (`leadership`).
- The reconcile loop closes the runs of processes that stopped beating, whoever leads: a leader may be
  among the dead. While this process leads it serves a term (`term`); a standby does not even start
  APScheduler.
- Run threads run what they claimed, to the end, whoever leads meanwhile (`dispatch`), and one closes
  the executions of runs that are over (`closing`).
- While this process leads, the notifier tells people what changed (`notifications`).

Whatever the database does, all of them go on: an outage is reported once and waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.utils import timezone
from django.utils.translation import activate

from scheduler_app import claims, deferral, helpers, processes, recovery
from scheduler_app.closing import Closings
from scheduler_app.dispatch import THREADS, Dispatcher, Start
from scheduler_app.frozen import FrozenSessions
from scheduler_app.leadership import Leadership
from scheduler_app.listener import Listener
from scheduler_app.models import ExecutionLog
from scheduler_app.notifications.notifier import Notifier
from scheduler_app.outage import AWAY, Outage
from scheduler_app.registry import JobRegistry, registry
from scheduler_app.run import STOPPED
from scheduler_app.runner import Runner
from scheduler_app.term import Term
from scheduler_app.told import STORED_LANGUAGE
from scheduler_app.watchdog import Watched

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
RETRY_SECONDS = 0.5
UNHEARD_SECONDS = 5.0
# After an outage of its own a process judges others only when they had time to beat again.
JUDGE_AFTER_SECONDS = 5.0
STOP_SECONDS = 25.0
CLOSE_SECONDS = 1.0
WORKERS_LATE_SECONDS = 60.0
# The loop only looks at its memory. The other threads wait for the database, which may take its
# time to start (the embedded one is given two minutes), but not for ever.
LOOP_PATIENCE_SECONDS = 10.0
DATABASE_PATIENCE_SECONDS = 180.0


class SchedulerService:
    def __init__(self, jobs: JobRegistry = registry, *, threads: int = THREADS) -> None:
        self.jobs = jobs
        self.process = processes.ProcessRow()
        self.leadership = Leadership(self.process.id)
        self._wake_closer = threading.Event()
        self._closings = Closings(self._wake_closer)
        self.runner = Runner(jobs, self.leadership, self._closings)
        self._outage = Outage()
        start, tend = _workers(self.runner) if helpers.uses_workers() else (None, None)
        self._dispatcher = Dispatcher(self.runner, self._outage, threads, self._ended, start)
        self._tend_workers = tend
        self._term = self._new_term(None)
        self._look_for_unheard_at = 0.0
        self._judge_from = 0.0
        self._frozen = FrozenSessions()
        self._wake = threading.Event()
        self._wake_pulse = threading.Event()
        self._wake_notifier = threading.Event()
        self._notifier = Notifier()
        self._draining = threading.Event()
        self._stopping = threading.Event()
        self._rounds: Counter[str] = Counter()
        self._threads = [
            self._thread("pulse", self._pulse, self._wake_pulse),
            self._thread("reconcile loop", self._tick, self._wake),
            self._thread("closer", self._close, self._wake_closer),
            self._thread("notifier", self._notify, self._wake_notifier),
        ]
        self._listener = Listener(self._wake, self._wake_pulse)

    @property
    def scheduler(self) -> BackgroundScheduler:
        return self._term.scheduler

    def start(self) -> None:
        """Start every thread. Returns at once, whether or not the database answers."""
        self._dispatcher.start()
        for thread in self._threads:
            thread.start()
        self._listener.start()

    def load_persisted_jobs(self, jobs: JobRegistry | None = None) -> list[str]:
        """Register every enabled row whose job is known with APScheduler; the ids now loaded.

        An unknown job_id is skipped with a WARNING and a row that cannot fire with an ERROR. If
        the database is away that is an ERROR, nothing is raised, and the reconcile loop loads the
        rows once it is back.
        """
        self.jobs = jobs or self.jobs
        try:
            self._term.load(self.jobs, timezone.now())
        except DatabaseError as error:
            self._outage.note(error)
        return self._term.loaded

    def watched(self) -> list[Watched]:
        """The threads that must go on, for the watchdog."""
        loop = Watched(
            "APScheduler's loop",
            is_alive=lambda: self._term.loop_is_alive,
            rounds=lambda: self._term.look(),  # noqa: PLW0108  # of the term that is then
            patience=LOOP_PATIENCE_SECONDS,
        )
        threads = [
            Watched(
                f"the {thread.name}",
                is_alive=thread.is_alive,
                rounds=partial(self._rounds.__getitem__, thread.name),
                patience=DATABASE_PATIENCE_SECONDS,
            )
            for thread in self._threads
        ]
        return [loop, *threads, self._dispatcher.watched()]

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Hand over, let runs end at their next checkpoint, close those that do not."""
        logger.info("action=stop process=%s", self.process)
        self._draining.set()
        self._dispatcher.stop_taking()
        self.runner.stop.set()
        self._try(self.leadership.resign)
        self._try(lambda: claims.give_back(self._dispatcher.unstarted()))
        self._wake.set()
        until = time.monotonic() + seconds
        if not self._dispatcher.wait(seconds):
            logger.warning("action=stop: runs are cut off after %s s", seconds)
        if not self._closings.wait(max(until - time.monotonic(), CLOSE_SECONDS)):
            logger.warning("action=stop: some runs that ended could not be closed")
        self.runner.abandon.set()
        self._stopping.set()
        for event in (self._wake, self._wake_pulse, self._wake_closer, self._wake_notifier):
            event.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._term.end()
        self._listener.end()
        self._try(lambda: claims.give_back(self._dispatcher.unstarted()))
        self._try(lambda: recovery.close_own(self.process.id, STOPPED))
        self._try(self.process.leave)
        logger.info("action=stopped process=%s", self.process)

    def _try(self, write: Callable[[], None]) -> None:
        """A last word to the database. If that is away, the others find out by themselves."""
        try:
            write()
        except DatabaseError as error:
            self._outage.note(error)
            connections.close_all()

    def _ended(self, job_id: str) -> None:
        if self._term.is_waited_for(job_id):
            self._wake.set()

    def _new_term(self, fence: int | None) -> Term:
        return Term(self.process, self._dispatcher.put, fence, self._tend_workers)

    def _thread(
        self, name: str, work: Callable[[], float], wake: threading.Event
    ) -> threading.Thread:
        return threading.Thread(
            target=self._repeat, args=(name, work, wake), name=name, daemon=True
        )

    def _repeat(self, name: str, work: Callable[[], float], wake: threading.Event) -> None:
        """Do the work until the service stops, each time after the seconds it asked for."""
        activate(STORED_LANGUAGE)
        try:
            while not self._stopping.is_set():
                try:
                    close_old_connections()
                    wait = work()
                except AWAY as error:
                    self._outage.note(error)
                    self._judge_from = time.monotonic() + JUDGE_AFTER_SECONDS
                    connections.close_all()
                    wait = RETRY_SECONDS
                except Exception:
                    logger.exception("action=%s failed; it goes on", name.replace(" ", "_"))
                    wait = TICK_SECONDS
                self._rounds[name] += 1
                wake.wait(wait)
                wake.clear()
        finally:
            connections.close_all()

    def _pulse(self) -> float:
        # There is no row yet, or none any more: after a restore, or a week without a beat.
        if not self.process.beat():
            self.process.register()
        # The others have rounds in which they ask nothing of the database.
        self._outage.over()
        before = self.leadership.fence
        wait = self.leadership.keep()
        if self.leadership.fence != before:
            self._wake.set()
        return wait

    def _tick(self) -> float:
        fence = self.leadership.fence
        if fence != self._term.fence:
            self._term.end()
            self._dispatcher.drop_waiting()
            self._term = self._new_term(fence)
            if fence is not None:
                self._term.begin()
        if self._draining.is_set():
            return TICK_SECONDS
        if time.monotonic() >= self._look_for_unheard_at:
            self._dispatcher.run(self.runner.claim_unheard())
            self._look_for_unheard_at = time.monotonic() + UNHEARD_SECONDS
        if time.monotonic() >= self._judge_from:
            self._frozen.look()
            recovery.close_abandoned(self.process.id)
        if fence is not None:
            self._term.tick(self.jobs)
        return TICK_SECONDS

    def _close(self) -> float:
        self._closings.work()
        return TICK_SECONDS

    def _notify(self) -> float:
        # A stop must not wait for a service that does not answer.
        if self.leadership.fence is None or self._draining.is_set():
            return TICK_SECONDS
        return self._notifier.work()


def _workers(runner: Runner) -> tuple[Start, Callable[[], None]]:
    """How executions are given to workers, and what must be done for those every half minute."""
    from scheduler_app import worker_queue

    def start(execution: ExecutionLog, given_away: Callable[[], None]) -> None:
        deferral.hand_over(
            execution, worker_queue.defer_run, try_again=lambda: not runner.abandon.wait(1.0)
        )
        given_away()

    def tend() -> None:
        worker_queue.retry_stalled()
        worker_queue.revive(deferral.waiting_for(WORKERS_LATE_SECONDS))

    return start, tend
