"""The scheduler of one process: APScheduler, the reconcile loop, and the threads that run jobs.

The config table is the truth; APScheduler is told. Every second, and at once when the database
notifies, the reconcile loop

1. loads what changed: the revision counter says whether there is anything, a full look every
   minute covers the rest;
2. hands queued executions to the dispatcher;
3. closes the runs of processes that stopped beating;
4. mirrors what is loaded into `DjangoJob`;
5. writes this process's heartbeat, with the revision it applied.

Whatever the database does, the loop goes on: an outage is reported once and waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.utils import timezone

from scheduler_app import processes
from scheduler_app.backlog import GRACE, Backlog
from scheduler_app.dispatch import THREADS, ThreadDispatcher
from scheduler_app.executor import HandOverExecutor
from scheduler_app.first_start import queue_first_runs
from scheduler_app.jobstore import MirrorJobStore
from scheduler_app.listener import Listener
from scheduler_app.loader import Loader
from scheduler_app.models import ExecutionLog, JobConfig, ScheduleRevision, Status
from scheduler_app.outage import AWAY, Outage
from scheduler_app.registry import JobRegistry, registry
from scheduler_app.run import STOPPED
from scheduler_app.runner import DueSlots, Queued, Runner

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
RESYNC_SECONDS = 60.0
STOP_SECONDS = 25.0
# After an outage of its own a process judges others only when they had time to beat again.
JUDGE_AFTER_SECONDS = 5.0


class SchedulerService:
    def __init__(self, jobs: JobRegistry = registry, *, threads: int = THREADS) -> None:
        self.jobs = jobs
        self.process = processes.ProcessRow()
        self.runner = Runner(jobs, self.process.id)
        self._outage = Outage()
        self._dispatcher = ThreadDispatcher(self.runner, self._outage, threads)
        self._store = MirrorJobStore()
        self.scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": self._store},
            executors={"default": HandOverExecutor(self._hand_over)},
            # All three decisions are ours, in the database: no slot is dropped or merged here.
            job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 1},
        )
        self._loader = Loader(self.scheduler)
        self._wake = threading.Event()
        self._draining = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._reconcile, name="reconcile", daemon=True)
        self._listener = Listener(self._wake)
        self._registered = False
        self._settled = False
        self._held: list[DueSlots] = []
        self._revision: int | None = None
        self._resync_at = 0.0
        self._judge_from = 0.0
        self._active_since = 0.0
        self._mirrored: dict[str, datetime] | None = None
        self._told: dict[str, object] = {}

    def start(self) -> None:
        """Start every thread. Returns at once, whether or not the database answers."""
        self.scheduler.start()
        self._dispatcher.start()
        self._thread.start()
        self._listener.start()

    def load_persisted_jobs(self, jobs: JobRegistry | None = None) -> list[str]:
        """Register every enabled row whose job is known with APScheduler; the ids now loaded.

        An unknown job_id is skipped with a WARNING and a row that cannot fire with an ERROR. If
        the database is away that is an ERROR, nothing is raised, and the reconcile loop loads the
        rows once it is back.
        """
        self.jobs = jobs or self.jobs
        try:
            self._load(timezone.now())
        except DatabaseError as error:
            self._outage.note(error)
        return self._loader.loaded

    def what_died(self) -> str:
        """The name of a thread that should run and does not, for the watchdog; or nothing."""
        loop = getattr(self.scheduler, "_thread", None)
        if loop is None or not loop.is_alive():
            return "APScheduler's loop"
        if not self._thread.is_alive():
            return "the reconcile loop"
        return "" if self._dispatcher.is_alive else "a run thread"

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Take no more slots, let runs end at their next checkpoint, close those that do not."""
        logger.info("action=stop process=%s", self.process)
        self._draining.set()
        self._dispatcher.stop_taking()
        self.runner.stop.set()
        self.scheduler.shutdown(wait=False)
        if not self._dispatcher.wait(seconds):
            logger.warning("action=stop: runs are cut off after %s s", seconds)
        self.runner.abandon.set()
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=10)
        self._listener.end()
        try:
            processes.close_own(self.process.id, STOPPED)
            self.process.leave()
        except DatabaseError as error:
            self._outage.note(error)
        logger.info("action=stopped process=%s", self.process)

    def _hand_over(self, job_id: str, slots: list[datetime]) -> None:
        backlog = Backlog.of([slot.astimezone(UTC) for slot in slots])
        late = f"it could not be started within {GRACE.seconds} s"
        self._dispatcher.put(DueSlots(job_id, backlog, GRACE, late))

    def _reconcile(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._tick()
                    self._outage.over()
                except AWAY as error:
                    self._outage.note(error)
                    self._judge_from = time.monotonic() + JUDGE_AFTER_SECONDS
                    connections.close_all()
                except Exception:
                    logger.exception("action=reconcile failed; it goes on")
                    self._stopping.wait(TICK_SECONDS)
                self._wake.wait(TICK_SECONDS)
                self._wake.clear()
                # The loop waits by a clock that stands still while the machine sleeps.
                self.scheduler.wakeup()
        finally:
            connections.close_all()

    def _tick(self) -> None:
        close_old_connections()
        if not self._registered:
            self.process.register()
            self._registered = True
        if self._draining.is_set():
            # Runs are still ending: others must see that this process lives, and no more.
            self.process.beat()
            return
        revision = _revision()
        if revision != self._revision or time.monotonic() >= self._resync_at:
            self._load(timezone.now(), revision)
            processes.forget_old()
        if not self._settled:
            self._settle()
        self._hand_over_queued()
        if time.monotonic() >= self._judge_from:
            processes.close_abandoned(self.process.id)
        self._mirror()
        self._beat()

    def _load(self, now: datetime, revision: int | None = None) -> None:
        # The revision is read before the rows: what changes in between is seen the next time.
        revision = _revision() if revision is None else revision
        configs = list(JobConfig.objects.get_all_enabled())
        first = self._revision is None
        grace = timedelta(0) if first else GRACE
        reason = "no scheduler was running" if first else "its schedule was loaded too late"
        due = self._loader.apply(configs, self.jobs, now, grace=grace, reason=reason)
        if first:
            self._active_since = time.monotonic()
            logger.info("action=ready process=%s jobs=%s", self.process, len(self._loader.loaded))
        if revision != self._revision:
            logger.info("action=apply revision=%s jobs=%s", revision, len(self._loader.loaded))
        self._revision = revision
        self._resync_at = time.monotonic() + RESYNC_SECONDS
        if self._settled:
            for slots in due:
                self._dispatcher.put(slots)
        else:
            self._held += due

    def _settle(self) -> None:
        """Catch up on what was missed and queue first runs, once no dead process is in the way.

        A run that a kill cut off is still RUNNING until its process counts as dead; a catch-up
        started before that would be skipped as overlapping it.
        """
        others, silent = processes.running_elsewhere(self.process.id)
        young = time.monotonic() - self._active_since < processes.SILENT_AFTER.total_seconds()
        if silent or (others and young):
            return
        for slots in self._held:
            self._dispatcher.put(slots)
        self._held.clear()
        queue_first_runs(self.jobs)
        self._settled = True

    def _hand_over_queued(self) -> None:
        running = ExecutionLog.objects.filter(status=Status.RUNNING).values("job_id")
        queued = ExecutionLog.objects.filter(
            status=Status.QUEUED, scheduled_for__lte=timezone.now()
        ).exclude(job_id__in=running)
        # The oldest of each job: however many one job has, the others get their turn.
        oldest = queued.order_by("job_id", "id").distinct("job_id")
        for job_id, pk in oldest.values_list("job_id", "id"):
            self._dispatcher.put(Queued(job_id, pk))

    def _mirror(self) -> None:
        next_runs = self._loader.next_runs()
        if next_runs != self._mirrored:
            self._store.write(next_runs)
            self._mirrored = next_runs

    def _beat(self) -> None:
        next_runs = [
            {"job_id": job_id, "at": at.isoformat()}
            for job_id, at in sorted((self._mirrored or {}).items(), key=lambda item: item[1])
        ]
        state: dict[str, object] = {"revision_applied": self._revision, "next_runs": next_runs}
        # What did not change is not written again every second.
        changed = {name: value for name, value in state.items() if self._told.get(name) != value}
        self._registered = self.process.beat(changed)
        self._told = state if self._registered else {}


def _revision() -> int:
    return ScheduleRevision.objects.values_list("value", flat=True).first() or 0
