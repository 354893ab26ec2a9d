"""Runs that a job asks for by itself when a scheduler becomes active, such as the first sync."""

from __future__ import annotations

import logging

from scheduler_app import configs
from scheduler_app.models import OPEN_STATUSES, Cause, ExecutionLog, JobConfig
from scheduler_app.outage import AWAY
from scheduler_app.registry import JobRegistry, RegisteredJob

logger = logging.getLogger(__name__)


def queue_first_runs(jobs: JobRegistry) -> None:
    """Queue a run of every job whose `first_start` says so, unless staff switched the job off."""
    for job in jobs:
        if job.first_start is None:
            continue
        try:
            _queue(job, jobs)
        except AWAY:
            raise
        except Exception:
            logger.exception("action=first_start job_id=%s: not asked", job.job_id)


def _queue(job: RegisteredJob, jobs: JobRegistry) -> None:
    config = JobConfig.objects.get_by_job_id(job.job_id)
    is_off = config is not None and not config.enabled
    is_open = ExecutionLog.objects.filter(job_id=job.job_id, status__in=OPEN_STATUSES).exists()
    if is_off or is_open or job.first_start is None or not job.first_start():
        return
    execution, _created = configs.queue_run(job.job_id, Cause.FIRST_START, jobs=jobs)
    logger.info("action=first_start job_id=%s execution=%s", job.job_id, execution.pk)
