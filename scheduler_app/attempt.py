"""One attempt at one slot: the record around the work, whoever does that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.utils import timezone

from scheduler_app.closing import Closings
from scheduler_app.errors import RunCancelled
from scheduler_app.models import ExecutionLog
from scheduler_app.registry import JobRegistry
from scheduler_app.run import Run
from scheduler_app.tracker import ExecutionTracker

logger = logging.getLogger(__name__)

Work = Callable[[Run], Mapping[str, object] | None]

# A process that was frozen for longer between claim and start may have lost the run: it asks first.
CLAIM_IS_FRESH = timedelta(seconds=3)


def run_of(execution: ExecutionLog, stop: threading.Event) -> Run:
    return Run(
        execution_id=execution.pk,
        job_id=execution.job_id,
        scheduled_for=execution.scheduled_for,
        attempt=execution.attempt,
        kwargs={},
        caused_by=execution.caused_by,
        process_id=execution.process_id,
        fence=execution.fence,
        stop=stop,
    )


def of_job(jobs: JobRegistry, execution: ExecutionLog) -> Work:
    """The work of the registered job, with the arguments of the execution."""

    def work(run: Run) -> Mapping[str, object] | None:
        job = jobs.get(execution.job_id)
        run.kwargs = job.validate(execution.job_kwargs)
        return job.function(run, **run.kwargs)

    return work


def make(
    execution: ExecutionLog,
    work: Work,
    *,
    stop: threading.Event,
    try_again: Callable[[], bool],
    closings: Closings | None = None,
    closed: Callable[[], None] = lambda: None,
) -> None:
    """Do the work. Never raises: what went wrong is in the execution and in the log.

    With `closings` the execution may be closed a little later; `closed` is called once it is.
    """
    run = run_of(execution, stop)
    tracker = ExecutionTracker(
        execution.job_id,
        execution.pk,
        process_id=execution.process_id,
        try_again=try_again,
        closings=closings,
        closed=closed,
    )
    try:
        with tracker:
            logger.info(
                "action=start job_id=%s execution=%s slot=%s cause=%s",
                run.job_id,
                run.execution_id,
                run.scheduled_for,
                execution.caused_by,
            )
            if execution.doubt:
                logger.warning(
                    "action=run_calendar job_id=%s: %s, so it runs", run.job_id, execution.doubt
                )
            if timezone.now() - (execution.started_at or timezone.now()) > CLAIM_IS_FRESH:
                run.checkpoint()
            tracker.set_result(work(run))
            logger.info("action=done job_id=%s execution=%s", run.job_id, run.execution_id)
    except RunCancelled as error:
        logger.info(
            "action=cancelled job_id=%s execution=%s: %s", run.job_id, run.execution_id, error
        )
    except BaseException as error:
        logger.error(
            "action=failed job_id=%s execution=%s: %s: %s",
            run.job_id,
            run.execution_id,
            type(error).__name__,
            error,
        )
