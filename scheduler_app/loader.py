"""Keeps APScheduler's jobs equal to the enabled rows, touching only what changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from apscheduler.schedulers.base import BaseScheduler

from scheduler_app.backlog import Backlog
from scheduler_app.cron import trigger_of
from scheduler_app.errors import SchedulerError
from scheduler_app.models import JobConfig
from scheduler_app.registry import JobRegistry
from scheduler_app.work import DueSlots

logger = logging.getLogger(__name__)

Fingerprint = tuple[object, ...]


def handed_over() -> None:
    """What APScheduler takes as the function of every job; its executor never calls it."""


class Loader:
    def __init__(self, scheduler: BaseScheduler) -> None:
        self._scheduler = scheduler
        # What was decided about each row: loaded, or skipped with a log line.
        self._seen: dict[str, Fingerprint] = {}
        self._loaded: set[str] = set()

    @property
    def loaded(self) -> list[str]:
        return sorted(self._loaded)

    def next_runs(self) -> dict[str, datetime]:
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs()}

    def apply(
        self,
        configs: Iterable[JobConfig],
        jobs: JobRegistry,
        now: datetime,
        *,
        grace: timedelta,
        reason: str,
    ) -> list[DueSlots]:
        """Add, reschedule and remove jobs; the slots that rows missed before they were loaded.

        An unknown job_id is skipped with a WARNING, a row that cannot fire with an ERROR; neither
        stops the others.
        """
        rows = {config.job_id: config for config in configs}
        for job_id in self._seen.keys() - rows.keys():
            self._forget(job_id)
        due: list[DueSlots] = []
        for config in rows.values():
            fingerprint = _fingerprint(config)
            if self._seen.get(config.job_id) == fingerprint and self._is_in_place(config.job_id):
                continue
            try:
                backlog = self._load(config, jobs, now)
            except Exception as error:
                # A sentence says it all; anything else needs its traceback.
                logger.error(
                    "action=load job_id=%s: the row is skipped: %s",
                    config.job_id,
                    error,
                    exc_info=not isinstance(error, SchedulerError),
                )
                self._drop(config.job_id)
                backlog = None
            self._seen[config.job_id] = fingerprint
            if backlog is not None:
                due.append(DueSlots(config.job_id, backlog, grace, reason))
        return due

    def _load(self, config: JobConfig, jobs: JobRegistry, now: datetime) -> Backlog | None:
        if config.job_id not in jobs:
            logger.warning(
                "action=load job_id=%s: no such job, the row is skipped; known: %s",
                config.job_id,
                ", ".join(jobs.ids()),
            )
            self._drop(config.job_id)
            return None
        jobs.get(config.job_id).prepare()
        trigger = trigger_of(config)
        since = max(
            (moment for moment in (config.last_slot, config.schedule_since) if moment), default=now
        )
        backlog = Backlog.between(trigger, since, now)
        if self._scheduler.get_job(config.job_id) is not None:
            self._scheduler.remove_job(config.job_id)
        self._scheduler.add_job(
            handed_over,
            trigger,
            id=config.job_id,
            name=config.job_name or config.job_id,
            next_run_time=trigger.next_slot(now),
        )
        self._loaded.add(config.job_id)
        logger.info("action=load job_id=%s trigger=%r", config.job_id, trigger)
        return backlog

    def _is_in_place(self, job_id: str) -> bool:
        return job_id not in self._loaded or self._scheduler.get_job(job_id) is not None

    def _forget(self, job_id: str) -> None:
        del self._seen[job_id]
        self._drop(job_id)

    def _drop(self, job_id: str) -> None:
        if job_id in self._loaded:
            self._loaded.discard(job_id)
            if self._scheduler.get_job(job_id) is not None:
                self._scheduler.remove_job(job_id)
            logger.info("action=unload job_id=%s", job_id)


def _fingerprint(config: JobConfig) -> Fingerprint:
    # The name and the arguments are read when a slot is claimed; last_slot is no change of ours.
    return (config.trigger, config.cron_expression, config.interval_seconds, config.timezone)
