"""What a failure entails: another attempt, or a pause after too many failures in a row.

Whoever closes an attempt as FAILED calls `after_failures` in the same transaction, so that a retry is
there as soon as the failure is, and survives every restart.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from scheduler_app import pauses, policies
from scheduler_app.locks import lock_jobs
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Role, Status

logger = logging.getLogger(__name__)


def after_failures(execution_ids: Collection[int], *, retriable: bool = True) -> None:
    """Queue the next attempts of executions that were just closed as FAILED, in this transaction.

    A run of a command is nobody's schedule, a schedule that is off retries nothing, and a run that
    asked for a follow-up knows better when to go on. What goes wrong here never undoes the closing.

    Raises:
        django.db.OperationalError: the database went away; the closing is to be repeated.
    """
    failed = ExecutionLog.objects.filter(pk__in=execution_ids, status=Status.FAILED)
    executions = list(failed.exclude(process__role=Role.COMMAND).order_by("pk"))
    # All at once: two that lock several jobs cannot wait for each other.
    lock_jobs(execution.job_id for execution in executions)
    for execution in executions:
        try:
            with transaction.atomic():
                _follow(execution, timezone.now(), retriable=retriable)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("action=after_failure execution=%s", execution.pk)


def _follow(execution: ExecutionLog, now: datetime, *, retriable: bool) -> None:
    config = JobConfig.objects.get_by_job_id(execution.job_id)
    if config is None or not config.enabled or _goes_on_otherwise(execution):
        return
    at = policies.retry_at(config, execution.attempt, now) if retriable else None
    if at is not None:
        ExecutionLog.objects.create(
            job_id=execution.job_id,
            scheduled_for=execution.scheduled_for,
            attempt=execution.attempt + 1,
            status=Status.QUEUED,
            caused_by=Cause.RETRY,
            triggered_by=execution.triggered_by,
            not_before=at,
            job_kwargs=execution.job_kwargs,
        )
        logger.info(
            "action=retry job_id=%s slot=%s attempt=%s of=%s at=%s",
            execution.job_id,
            execution.scheduled_for,
            execution.attempt + 1,
            config.max_retries + 1,
            at,
        )
        return
    _pause_after_too_many(config, now)


def _goes_on_otherwise(execution: ExecutionLog) -> bool:
    stopped = ExecutionLog.objects.filter(pk=execution.pk, stop_request__isnull=False)
    follow_up = ExecutionLog.objects.filter(
        job_id=execution.job_id, status=Status.QUEUED, caused_by=Cause.FOLLOW_UP
    )
    return stopped.exists() or follow_up.exists()


def _pause_after_too_many(config: JobConfig, now: datetime) -> None:
    limit = config.pause_after_failures
    if not limit or policies.paused(config, now):
        return
    ended = ExecutionLog.objects.filter(
        job_id=config.job_id, status__in=[Status.SUCCESS, Status.FAILED]
    ).exclude(process__role=Role.COMMAND)
    since = policies.counted_since(config, now)
    if since is not None:
        ended = ended.filter(started_at__gt=since)
    newest = ended.order_by("-id").values_list("scheduled_for", "status")
    # As many rows as so many slots can have, with every attempt at each.
    failures = policies.failed_in_a_row(newest[: limit * (config.max_retries + 1)])
    if failures >= limit:
        pauses.pause(
            config.job_id,
            by=pauses.BY_ITSELF,
            reason=f"it failed {failures} times in a row",
            now=now,
        )
