"""One term of leadership: what the active scheduler has loaded, and what it does every second.

The config table is the truth; APScheduler is told. `tick`, called every second and at once when
the database notifies,

1. loads what changed: the revision counter says whether there is anything, a full look every
   minute covers the rest;
2. hands queued executions to the dispatcher;
3. closes runs that no worker took and nobody wants;
4. mirrors what is loaded into `DjangoJob`, and tells the process row what is applied;
5. once a minute, deletes what need not be kept, and twice, looks after the workers' queue.

A term ends when the lease is lost or given away; the next one starts with nothing loaded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from django.utils import timezone

from scheduler_app import claims, deferral, live_log, processes, retention
from scheduler_app.backlog import GRACE, Backlog
from scheduler_app.executor import HandOverExecutor
from scheduler_app.first_start import queue_first_runs
from scheduler_app.jobstore import MirrorJobStore
from scheduler_app.loader import Loader
from scheduler_app.models import JobConfig, ScheduleRevision
from scheduler_app.registry import JobRegistry
from scheduler_app.work import DueSlots, Queued, Work

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 60.0
TIDY_SECONDS = 60.0
TEND_SECONDS = 30.0
SILENT = "the process of the run before it was silent"
LATE = f"it could not be started within {GRACE.seconds} s"


class Term:
    def __init__(
        self,
        process: processes.ProcessRow,
        put: Callable[[Work], None],
        fence: int | None = None,
        tend_workers: Callable[[], None] | None = None,
    ) -> None:
        self.fence = fence
        self._process = process
        self._put = put
        self._tend_workers = tend_workers
        self._tend_at = 0.0
        self._store = MirrorJobStore()
        self.scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": self._store},
            executors={"default": HandOverExecutor(self._hand_over)},
            # All three decisions are ours, in the database: no slot is dropped or merged here.
            job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 1},
        )
        self._loader = Loader(self.scheduler)
        # Jobs with a run whose process is silent; None until the first look.
        self._in_the_way: set[str] | None = None
        self._held: list[DueSlots] = []
        self._lock = threading.Lock()
        self._has_asked_first_runs = False
        self._lined_up: set[str] = set()
        self._revision: int | None = None
        self._resync_at = 0.0
        self._tidy_at = 0.0
        self._mirrored: dict[str, datetime] | None = None
        self._told: dict[str, object] = {}

    @property
    def loaded(self) -> list[str]:
        return self._loader.loaded

    def begin(self) -> None:
        """Let slots fire. A standby's term never begins."""
        self.scheduler.start()

    def end(self) -> None:
        if self.scheduler.running:
            self.scheduler.shutdown(wait=False)

    @property
    def loop_is_alive(self) -> bool:
        """Whether APScheduler's thread lives, or need not."""
        loop = getattr(self.scheduler, "_thread", None)
        if not self.scheduler.running or loop is None or loop.ident is None:
            return True
        return bool(loop.is_alive())

    def look(self) -> int | None:
        """Wake the loop, which waits by a clock that stands still while the machine sleeps; how
        often it has looked for due jobs, or None if it need not."""
        if not self.scheduler.running:
            return None
        self.scheduler.wakeup()
        return self._store.looks

    def tick(self, jobs: JobRegistry) -> None:
        revision = _revision()
        if revision != self._revision or time.monotonic() >= self._resync_at:
            self.load(jobs, timezone.now(), revision)
        self._release()
        if not self._has_asked_first_runs and not self._in_the_way:
            queue_first_runs(jobs)
            self._has_asked_first_runs = True
        self._hand_over_queued()
        deferral.close_unwanted()
        if self._tend_workers is not None and time.monotonic() >= self._tend_at:
            self._tend_at = time.monotonic() + TEND_SECONDS
            self._tend_workers()
        self._mirror()
        self._tell()
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            processes.forget_old()
            live_log.forget_old()
            retention.prune(timezone.now())

    def load(self, jobs: JobRegistry, now: datetime, revision: int | None = None) -> None:
        """Make what is loaded equal to the enabled rows."""
        # The revision is read before the rows: what changes in between is seen the next time.
        revision = _revision() if revision is None else revision
        configs = list(JobConfig.objects.get_all_enabled())
        first = self._revision is None
        grace = timedelta(0) if first else GRACE
        reason = "no scheduler was running" if first else "its schedule was loaded too late"
        due = self._loader.apply(configs, jobs, now, grace=grace, reason=reason)
        if first:
            logger.info("action=ready process=%s jobs=%s", self._process, len(self.loaded))
        if revision != self._revision:
            logger.info("action=apply revision=%s jobs=%s", revision, len(self.loaded))
        self._revision = revision
        self._resync_at = time.monotonic() + RESYNC_SECONDS
        with self._lock:
            self._held += due

    def _hand_over(self, job_id: str, slots: list[datetime]) -> None:
        """What APScheduler's loop calls: nothing here may wait."""
        backlog = Backlog.of([slot.astimezone(UTC) for slot in slots])
        with self._lock:
            if self._in_the_way is None or job_id in self._in_the_way:
                # By the time it may start it is one of those that were missed.
                self._held.append(DueSlots(job_id, backlog, timedelta(0), SILENT))
                return
        self._put(DueSlots(job_id, backlog, GRACE, LATE))

    def _release(self) -> None:
        """Hand over what was held, but for jobs with a run whose process is silent.

        A run that a kill cut off is still RUNNING until its process counts as dead; a slot that was
        started before that would be left out as overlapping it.
        """
        silent = processes.silent_jobs(self._process.id)
        with self._lock:
            self._in_the_way = silent
            free = [slots for slots in self._held if slots.job_id not in silent]
            self._held = [slots for slots in self._held if slots.job_id in silent]
        for slots in free:
            self._put(slots)

    def _hand_over_queued(self) -> None:
        now = timezone.now()
        self._lined_up = claims.lined_up(now)
        for job_id, pk in claims.ready(now) if self._lined_up else ():
            self._put(Queued(job_id, pk))

    def is_waited_for(self, job_id: str) -> bool:
        """Whether another execution waits for the run of that job to end."""
        return job_id in self._lined_up

    def _mirror(self) -> None:
        next_runs = self._loader.next_runs()
        if next_runs != self._mirrored:
            self._store.write(next_runs)
            self._mirrored = next_runs

    def _tell(self) -> None:
        next_runs = [
            {"job_id": job_id, "at": at.isoformat()}
            for job_id, at in sorted((self._mirrored or {}).items(), key=lambda item: item[1])
        ]
        state: dict[str, object] = {"revision_applied": self._revision, "next_runs": next_runs}
        # What did not change is not written again every second.
        changed = {name: value for name, value in state.items() if self._told.get(name) != value}
        if changed:
            self._told = state if self._process.tell(changed) else {}


def _revision() -> int:
    return ScheduleRevision.objects.values_list("value", flat=True).first() or 0
