"""The default schedules: each job that has one says so where it is registered."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduler_app import configs, pauses, policy_rules
from scheduler_app.errors import SchedulerError
from scheduler_app.models import JobConfig
from scheduler_app.registry import JobRegistry, registry

TIMEZONE = "Asia/Shanghai"


def seed(reset: Iterable[str] = (), jobs: JobRegistry = registry) -> list[tuple[str, str]]:
    """Create the missing default schedules, and restore those in `reset`.

    Returns (job_id, "created" | "kept" | "reset") for every job with a default.

    Raises:
        UnknownJob: a job in `reset` does not exist.
        SchedulerError: a job in `reset` has no default schedule.
    """
    wanted = set(reset)
    for job_id in sorted(wanted):
        if jobs.get(job_id).default_cron is None:
            raise SchedulerError(_("The job %s has no default schedule to go back to.") % job_id)
    done = []
    with transaction.atomic():
        for job in jobs:
            if job.default_cron is None:
                continue
            exists = JobConfig.objects.filter(job_id=job.job_id).exists()
            what = "created" if not exists else "reset" if job.job_id in wanted else "kept"
            if what != "kept":
                configs.schedule_cron(
                    job.job_id,
                    job.default_cron,
                    TIMEZONE,
                    {},
                    job.name,
                    policy_rules.defaults(),
                    jobs=jobs,
                )
                pauses.resume(job.job_id, by="seed_jobs", now=timezone.now())
            done.append((job.job_id, what))
    return done
