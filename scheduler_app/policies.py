"""What becomes of a slot, a missed slot, a failure: decided from the row and what was looked up.

Nothing here asks the database or the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from django.utils.translation import gettext as _

from scheduler_app.calendars import RunDay
from scheduler_app.models import ASKED_FOR, OF_A_SLOT, JobConfig, Status
from scheduler_app.policy_fields import Overlap
from scheduler_app.told import told

LONGEST_RETRY_DELAY = timedelta(days=1)


@dataclass(frozen=True)
class Verdict:
    """What a slot's row becomes: RUNNING (start it), QUEUED (it waits for the run under way), or
    closed with the reason. Where `takes_over`, what runs is asked to stop, and what waits steps
    back."""

    status: Status
    reason: str = ""
    takes_over: bool = False


@dataclass(frozen=True)
class Open:
    """The open executions of a job, by id: one that runs, and a slot that waits to be next."""

    running: int | None = None
    waiting: int | None = None


def judge_slot(
    config: JobConfig, slot: datetime, now: datetime, run_day: RunDay, others: Open
) -> Verdict:
    """What becomes of a slot that is due now."""
    if (excused := excuse(config, slot, now, run_day)) is not None:
        return excused
    if config.overlap_policy == Overlap.CANCEL_RUNNING:
        status = Status.RUNNING if others.running is None else Status.QUEUED
        return Verdict(status, takes_over=others != Open())
    if config.overlap_policy == Overlap.QUEUE_ONE:
        if others.running is not None and others.waiting is not None:
            return Verdict(
                Status.SKIPPED_OVERLAP,
                _(
                    "execution %(running)d of this job was still running and execution "
                    "%(waiting)d waited"
                )
                % {"running": others.running, "waiting": others.waiting},
            )
        # One that waits, with none that runs, is about to start: it goes first.
        return Verdict(Status.RUNNING if others == Open() else Status.QUEUED)
    if others.running is not None:
        return Verdict(Status.SKIPPED_OVERLAP, _still(others.running))
    return Verdict(Status.RUNNING)


def _still(running: int) -> str:
    return _("execution %(running)d of this job was still running") % {"running": running}


def judge_waiting(config: JobConfig | None, cause: str, due: datetime, now: datetime) -> Verdict:
    """What becomes of a queued execution that was due then, now that its job is free; QUEUED is
    that it goes on waiting. `config` is None where the job has no schedule."""
    if cause in ASKED_FOR:
        return Verdict(Status.RUNNING)
    of_a_slot = cause in OF_A_SLOT
    if of_a_slot and (config is None or not config.enabled):
        return Verdict(Status.CANCELLED, _("its schedule was stopped before it could start"))
    if config is not None and paused(config, now):
        return Verdict(Status.QUEUED)
    if config is not None and of_a_slot and (expired := too_late(config, due, now)):
        return Verdict(Status.MISSED, expired)
    return Verdict(Status.RUNNING)


def excuse(config: JobConfig, slot: datetime, now: datetime, run_day: RunDay) -> Verdict | None:
    """Why a slot does not run, whatever else happens; None where nothing speaks against it."""
    pause = paused(config, slot) or paused(config, now)
    if pause:
        return Verdict(Status.SKIPPED_PAUSED, pause)
    if not run_day.runs:
        return Verdict(Status.SKIPPED_CALENDAR, run_day.why)
    if expired := too_late(config, slot, now):
        return Verdict(Status.MISSED, expired)
    return None


def paused(config: JobConfig, moment: datetime) -> str:
    """The pause that holds at a moment, as a sentence; empty where none does."""
    if config.paused_at is None or moment < config.paused_at:
        return ""
    if config.paused_until is not None and moment >= config.paused_until:
        return ""
    said = {"who": config.paused_by or _("nobody named")}
    if config.paused_until:
        said["until"] = utc(config.paused_until)
        sentence = _("paused by %(who)s until %(until)s") % said
    else:
        sentence = _("paused by %(who)s") % said
    return f"{sentence}: {told(config.paused_reason)}" if config.paused_reason else sentence


def too_late(config: JobConfig, due: datetime, now: datetime) -> str:
    """Why a run that was due then is not started any more; empty while it may be."""
    limit = config.start_deadline_seconds
    if limit and now - due > timedelta(seconds=limit):
        return _("it could not be started within %d s, its start deadline") % limit
    return ""


def retry_at(config: JobConfig, attempt: int, now: datetime) -> datetime | None:
    """When the attempt after this one may start; None if it was the last."""
    if attempt > config.max_retries:
        return None
    try:
        delay = timedelta(
            seconds=config.retry_delay_seconds * config.retry_backoff ** (attempt - 1)
        )
    except OverflowError:
        delay = LONGEST_RETRY_DELAY
    return now + min(delay, LONGEST_RETRY_DELAY)


def counted_since(config: JobConfig, now: datetime) -> datetime | None:
    """The end of the last pause: failures before it do not count towards the next one."""
    ended = config.paused_until if config.paused_at and not paused(config, now) else None
    return max((moment for moment in (config.resumed_at, ended) if moment), default=None)


def failed_in_a_row(newest_first: Iterable[tuple[datetime, str]]) -> int:
    """How many slots in a row failed, the newest first; the attempts at one slot count as one."""
    outcomes: dict[datetime, str] = {}
    for slot, status in newest_first:
        outcomes.setdefault(slot, status)
    return len(list(takewhile(lambda status: status == Status.FAILED, outcomes.values())))


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
