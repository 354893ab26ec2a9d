"""One slot, from due to closed: plan, claim, run the job, close.

1. `claim` decides in the database what this process may start. No claim, no start.
2. `execute` runs the job inside its tracker. From here on nothing but the job's own error makes it
   fail, and the closing write is repeated until it lands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from django.utils import timezone

from scheduler_app import attempt, claims, own_process, plain_claims, policies
from scheduler_app.backlog import Plan, nothing_late, plan
from scheduler_app.calendars import run_day
from scheduler_app.closing import Closings
from scheduler_app.errors import LeaseLost
from scheduler_app.leadership import Leadership
from scheduler_app.models import ExecutionLog, JobConfig
from scheduler_app.policies import Verdict
from scheduler_app.registry import JobRegistry
from scheduler_app.work import DueSlots, Queued, Work, only_slot


class Runner:
    """Runs executions for one process. `stop` asks runs to end, `abandon` ends the closing writes."""

    def __init__(
        self, jobs: JobRegistry, leadership: Leadership, closings: Closings | None = None
    ) -> None:
        self._jobs = jobs
        self._leadership = leadership
        self._closings = closings
        self._lock = threading.Lock()
        # Never emptied: a claim read just before a run closed must not start it a second time.
        self._started: set[int] = set()
        self.stop = threading.Event()
        self.abandon = threading.Event()

    def claim_plain(self, works: Iterable[Work]) -> list[ExecutionLog]:
        """Claim at once, of at most one piece of work for each job, what can just be started.

        Of a job whose execution is not among the given nothing was decided: it is for `claim`.

        Raises:
            LeaseLost: another process leads; the work is its own.
            django.db.Error: the database is away; the same work may be claimed again.
        """
        now = timezone.now()
        slots = {work.job_id: slot for work in works if (slot := only_slot(work, now)) is not None}
        if not slots:
            return []
        claimed = plain_claims.claim_plain(slots, self._owner())
        return [execution for each in claimed for execution in self._ours(each)]

    def claim(self, work: Work) -> list[ExecutionLog]:
        """What to execute now, each execution given exactly once.

        Raises:
            LeaseLost: another process leads; the work is its own.
            django.db.Error: the database is away; the same work may be claimed again.
        """
        owner = self._owner()
        if isinstance(work, Queued):
            return self._ours(claims.claim_queued(work.execution_id, work.job_id, owner))
        decided = self._plan(work, timezone.now())
        claims.record_left_out(work.job_id, decided.left_out, owner)
        claims.queue_catch_ups(work.job_id, decided.queue, owner)
        claimed: list[ExecutionLog] = []
        for slot, cause in decided.run:
            claimed += self._ours(claims.claim_slot(work.job_id, slot, cause, owner))
        return claimed

    def claim_unheard(self) -> list[ExecutionLog]:
        """What was claimed for this process without its hearing so, whoever leads meanwhile.

        Raises:
            django.db.Error: the database is away.
        """
        running = claims.unheard(self._leadership.process_id)
        return [execution for each in running for execution in self._ours(each)]

    def _owner(self) -> claims.Owner:
        fence = self._leadership.fence
        if fence is None:
            raise LeaseLost("This process stands by.")
        return claims.Owner(self._leadership.process_id, fence)

    def _plan(self, work: DueSlots, now: datetime) -> Plan:
        if (in_time := nothing_late(work.backlog, now, work.grace)) is not None:
            return in_time
        config = JobConfig.objects.get_by_job_id(work.job_id)
        if config is None or not config.enabled:
            return Plan()

        def excuse(slot: datetime) -> Verdict | None:
            return policies.excuse(config, slot, now, run_day(config, slot))

        return plan(work.backlog, now, work.grace, config, excuse, work.reason)

    def _ours(self, execution: ExecutionLog | None) -> list[ExecutionLog]:
        with self._lock:
            if execution is None or execution.pk in self._started:
                return []
            self._started.add(execution.pk)
        return [execution]

    def execute(self, execution: ExecutionLog, closed: Callable[[], None] = lambda: None) -> None:
        """Run the job, and call `closed` once the execution is closed, which may be a little later.

        Never raises: what went wrong is in the execution and in the log.
        """
        if execution.in_own_process:
            own_process.make(execution, stop=self.stop, try_again=self._wait_to_close)
            closed()
            return
        attempt.make(
            execution,
            attempt.of_job(self._jobs, execution),
            stop=self.stop,
            try_again=self._wait_to_close,
            closings=self._closings,
            closed=closed,
        )

    def _wait_to_close(self) -> bool:
        return not self.abandon.wait(1.0)
