"""Slots that are due, and what becomes of each: run, or leave a row that says it was missed.

Slots that are only a little late run each for itself. Of the others the latest runs once as
catch-up, unless a fresher one follows, and the older ones are recorded as missed: one row each, or
one row for all where they are more than a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from scheduler_app.cron import IntervalTrigger, ScheduleTrigger
from scheduler_app.models import Cause

MISSED_ROWS_AT_MOST = 100
# While a scheduler is up, a slot may wait this long for the database or a free thread.
GRACE = timedelta(seconds=60)

_COUNT_AT_MOST = 5000
_WINDOWS = tuple(timedelta(hours=hours) for hours in (1, 24, 32 * 24, 400 * 24, 10 * 366 * 24))


@dataclass(frozen=True)
class Backlog:
    """Due slots of one job: how many (`exact`, or more), the first, and the latest ones."""

    count: int
    first: datetime
    tail: tuple[datetime, ...]
    exact: bool = True

    @classmethod
    def of(cls, slots: Sequence[datetime]) -> Backlog:
        return cls(len(slots), slots[0], tuple(slots[-MISSED_ROWS_AT_MOST - 1 :]))

    @classmethod
    def between(cls, trigger: ScheduleTrigger, since: datetime, now: datetime) -> Backlog | None:
        """The slots after `since` up to `now`; None if there is none.

        The work is bounded, however long the gap: a second's interval may lie years back.
        """
        first = trigger.next_slot(since)
        if first is None or first > now:
            return None
        if isinstance(trigger, IntervalTrigger):
            step = trigger.seconds
            count = int((now - first).total_seconds() // step) + 1
            start = max(0, count - MISSED_ROWS_AT_MOST - 1)
            tail = [first + timedelta(seconds=step * index) for index in range(start, count)]
            return cls(count, first, tuple(tail))
        slots = []
        for slot in takewhile(lambda slot: slot <= now, trigger.slots(since)):
            slots.append(slot)
            if len(slots) == _COUNT_AT_MOST:
                return cls(_COUNT_AT_MOST, first, _latest(trigger, now), exact=False)
        return cls.of(slots)

    def followed_by(self, later: Backlog) -> Backlog:
        tail = sorted({*self.tail, *later.tail})
        return Backlog(
            self.count + later.count,
            min(self.first, later.first),
            tuple(tail[-MISSED_ROWS_AT_MOST - 1 :]),
            self.exact and later.exact,
        )


@dataclass(frozen=True)
class Plan:
    """Slots to claim, each with its cause; slots missed; and how many `missed` stands for."""

    run: tuple[tuple[datetime, Cause], ...]
    missed: tuple[datetime, ...]
    summary: str = ""


def plan(backlog: Backlog, now: datetime, grace: timedelta) -> Plan:
    fresh = tuple(slot for slot in backlog.tail if now - slot < grace)
    late = backlog.tail[: len(backlog.tail) - len(fresh)]
    run = tuple((slot, Cause.SCHEDULE) for slot in fresh)
    older = backlog.count - len(fresh)
    if late and not fresh:
        run = ((late[-1], Cause.CATCH_UP),)
        late = late[:-1]
        older -= 1
    if older <= MISSED_ROWS_AT_MOST:
        return Plan(run, late)
    last = late[-1] if late else backlog.first
    more = "" if backlog.exact else "more than "
    return Plan(run, (last,), f"{more}{older:,} slots from {_utc(backlog.first)} to {_utc(last)}")


def _latest(trigger: ScheduleTrigger, now: datetime) -> tuple[datetime, ...]:
    for window in _WINDOWS:
        slots = list(takewhile(lambda slot: slot <= now, trigger.slots(now - window)))
        if slots:
            return tuple(slots[-MISSED_ROWS_AT_MOST - 1 :])
    return ()


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
