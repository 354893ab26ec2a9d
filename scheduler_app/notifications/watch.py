"""What changed since the last look: schedules that fail, work again, paused themselves, or are late.

The history and the schedules are compared with `JobState`. What is new is written there and as messages
in one transaction, by a conditional UPDATE: two that look at once tell it once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import Q

from scheduler_app import cron, history, pauses, policies
from scheduler_app.calendars import calendars
from scheduler_app.errors import InvalidCron
from scheduler_app.models import (
    OPEN_STATUSES,
    Cause,
    ExecutionLog,
    JobConfig,
    JobState,
    NotificationKind,
    Status,
)
from scheduler_app.notifications import texts
from scheduler_app.notifications.messages import write
from scheduler_app.notifications.texts import Text, Told

logger = logging.getLogger(__name__)

Configs = Mapping[str, JobConfig]
States = Mapping[str, JobState]

_CHANGE = """
    INSERT INTO scheduler_job_state (job_id, failing, since) VALUES (%s, %s, %s)
    ON CONFLICT (job_id) DO UPDATE SET failing = excluded.failing, since = excluded.since
    WHERE scheduler_job_state.failing <> excluded.failing
    RETURNING id
"""
# A run that failed and asked for a follow-up goes on by itself; after so long people are told all the same.
GOES_ON_QUIETLY = timedelta(hours=3)
# A run may take its time: a success is looked for among those that started so long before.
LONGEST_RUN = timedelta(days=7)


def look(now: datetime) -> None:
    """Find what changed and write the messages that tell of it.

    Raises:
        django.db.Error: the database is away; what was not told yet is found again.
    """
    configs = {config.job_id: config for config in JobConfig.objects.get_all_enabled()}
    states = {state.job_id: state for state in JobState.objects.all()}
    failures = {failing.job_id: failing for failing in history.failing(configs)}
    _tell_failures(configs, states, failures, now)
    _tell_recoveries(configs, states, failures, now)
    _tell_pauses(configs, states, now)
    _tell_late(configs, states, now)


def _tell_failures(
    configs: Configs, states: States, failures: dict[str, history.Failing], now: datetime
) -> None:
    news = [
        failing
        for job_id, failing in failures.items()
        if not (job_id in states and states[job_id].failing)
    ]
    quiet = _going_on(news, now) if news else set()
    told = []
    with transaction.atomic():
        for failing in news:
            if failing.job_id not in quiet and _changed(failing.job_id, True, failing.since):
                name = str(configs[failing.job_id])
                told.append(Told(failing.job_id, name, failing.since, failing.error))
        _write(NotificationKind.FAILING, told, texts.failing, now)


def _tell_recoveries(
    configs: Configs, states: States, failures: dict[str, history.Failing], now: datetime
) -> None:
    told = []
    with transaction.atomic():
        for job_id, state in states.items():
            if not state.failing or job_id in failures or job_id not in configs:
                continue
            # Many slots that were left out hide a failure too: only a success ends it.
            at = _success_since(job_id, state.since)
            if at is not None and _changed(job_id, False, at):
                told.append(Told(job_id, str(configs[job_id]), at))
        _write(NotificationKind.RECOVERED, told, texts.recovered, now)


def _going_on(news: Sequence[history.Failing], now: datetime) -> set[str]:
    """The jobs among those that failed which try again or go on by themselves."""
    waiting = ExecutionLog.objects.filter(
        job_id__in=[failing.job_id for failing in news],
        status__in=OPEN_STATUSES,
        caused_by__in=[Cause.RETRY, Cause.FOLLOW_UP],
    ).values_list("job_id", "caused_by")
    since = {failing.job_id: failing.since for failing in news}
    return {
        job_id
        for job_id, cause in waiting
        if cause == Cause.RETRY or now - since[job_id] < GOES_ON_QUIETLY
    }


def _success_since(job_id: str, moment: datetime) -> datetime | None:
    """When the job last succeeded after a moment, None if it did not."""
    successes = ExecutionLog.objects.filter(
        job_id=job_id,
        status=Status.SUCCESS,
        started_at__gte=moment - LONGEST_RUN,
        finished_at__gt=moment,
    )
    return successes.order_by("-started_at").values_list("finished_at", flat=True).first()


def _changed(job_id: str, failing: bool, at: datetime) -> bool:
    """Note the change; False if somebody noted it already."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE, [job_id, failing, at])
        return cursor.fetchone() is not None


def _tell_pauses(configs: Configs, states: States, now: datetime) -> None:
    paused = []
    with transaction.atomic():
        for config in configs.values():
            state = states.get(config.job_id)
            by_itself = config.paused_by == pauses.BY_ITSELF and policies.paused(config, now)
            if not by_itself or config.paused_at is None or state is None:
                continue
            if state.pause_told == config.paused_at:
                continue
            untold = JobState.objects.filter(pk=state.pk).filter(
                Q(pause_told__isnull=True) | ~Q(pause_told=config.paused_at)
            )
            if untold.update(pause_told=config.paused_at):
                paused.append(
                    Told(config.job_id, str(config), config.paused_at, config.paused_reason)
                )
        _write(NotificationKind.PAUSED, paused, texts.paused, now)


def _tell_late(configs: Configs, states: States, now: datetime) -> None:
    late = []
    with transaction.atomic():
        for config in configs.values():
            deadline = overdue(config, now)
            if deadline is None:
                continue
            day = deadline.date()
            state = states.get(config.job_id)
            if state is not None and state.alarmed_on == day:
                continue
            if _alarmed(config.job_id, day, deadline):
                late.append(Told(config.job_id, str(config), deadline))
        _write(NotificationKind.NO_SUCCESS, late, texts.no_success, now)


def overdue(config: JobConfig, now: datetime) -> datetime | None:
    """The moment of today by which the schedule should have succeeded and has not; None if all is well.

    Today is the day in the schedule's own zone; a day that its calendar leaves out, a pause at that
    moment, and a schedule that began to fire as it does later than that, excuse it.
    """
    if not config.success_by:
        return None
    try:
        zone = cron.zone(config.timezone)
    except InvalidCron:
        return None
    today = now.astimezone(zone).date()
    deadline = datetime.combine(today, time.fromisoformat(config.success_by), zone)
    began = config.schedule_since or config.created_at
    if now < deadline or began > deadline or policies.paused(config, deadline):
        return None
    if not calendars.on(config.run_calendar, today).runs:
        return None
    midnight = datetime.combine(today, time(), zone)
    return deadline if _success_since(config.job_id, midnight) is None else None


def _alarmed(job_id: str, day: date, deadline: datetime) -> bool:
    """Note the alarm of that day; False if somebody noted it already."""
    JobState.objects.get_or_create(job_id=job_id, defaults={"failing": False, "since": deadline})
    untold = JobState.objects.filter(job_id=job_id).filter(
        Q(alarmed_on__isnull=True) | Q(alarmed_on__lt=day)
    )
    return untold.update(alarmed_on=day) > 0


def _write(
    kind: NotificationKind,
    jobs: list[Told],
    text: Callable[[Sequence[Told]], Text],
    now: datetime,
) -> None:
    if jobs:
        logger.info("action=notify kind=%s jobs=%s", kind, ",".join(job.job_id for job in jobs))
        write(kind, lambda: text(jobs), now)
