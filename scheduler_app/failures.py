"""What the end of an attempt entails: another attempt, or a pause after too many failures in a row.

Whoever closes an attempt as FAILED calls `after_failures` in the same transaction, and `after_stops`
where only its process stopped, so that the next attempt is there as soon as this one is closed, and
survives every restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial

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
    _for_each(execution_ids, Status.FAILED, partial(_follow_failure, retriable=retriable))


def after_stops(execution_ids: Collection[int]) -> None:
    """Queue the next attempts of executions that were just closed as CANCELLED because their process
    stops, in this transaction: at once, where the schedule has an attempt left.

    A restart is no failure, but what it cut off is not to wait for the next slot. Exceptions and raises
    as `after_failures`.
    """
    _for_each(execution_ids, Status.CANCELLED, _follow_stop)


def _for_each(
    execution_ids: Collection[int],
    status: Status,
    follow: Callable[[ExecutionLog, JobConfig, datetime], None],
) -> None:
    closed = ExecutionLog.objects.filter(pk__in=execution_ids, status=status)
    executions = list(closed.exclude(process__role=Role.COMMAND).order_by("pk"))
    # All at once: two that lock several jobs cannot wait for each other.
    lock_jobs(execution.job_id for execution in executions)
    for execution in executions:
        try:
            with transaction.atomic():
                config = JobConfig.objects.get_by_job_id(execution.job_id)
                if config and config.enabled and not _goes_on_otherwise(execution):
                    follow(execution, config, timezone.now())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("action=after_end execution=%s status=%s", execution.pk, status)


def _follow_failure(
    execution: ExecutionLog, config: JobConfig, now: datetime, *, retriable: bool
) -> None:
    at = policies.retry_at(config, execution.attempt, now) if retriable else None
    if at is None:
        _pause_after_too_many(config, now)
    else:
        _queue_next(execution, config, at)


def _follow_stop(execution: ExecutionLog, config: JobConfig, now: datetime) -> None:
    if policies.retry_at(config, execution.attempt, now) is not None:
        _queue_next(execution, config, now)


def _queue_next(execution: ExecutionLog, config: JobConfig, at: datetime) -> None:
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
