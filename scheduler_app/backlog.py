"""Slots that are due, and what becomes of each: run, wait in line, or leave a row that says why not.

Slots that are only a little late run each for itself. What becomes of the others is the row's own
policy: none runs, the latest runs once unless a fresher one follows, or all within a window run one
after the other. Those that do not run leave one row each, or one for all where they are more than a
hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from scheduler_app.cron import IntervalTrigger, ScheduleTrigger
from scheduler_app.left_out import ROWS_AT_MOST, LeftOut
from scheduler_app.models import Cause, JobConfig, Status
from scheduler_app.policies import Verdict, paused, utc
from scheduler_app.policy_fields import Misfire

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
        return cls(len(slots), slots[0], tuple(slots[-ROWS_AT_MOST - 1 :]))

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
            start = max(0, count - ROWS_AT_MOST - 1)
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
            tuple(tail[-ROWS_AT_MOST - 1 :]),
            self.exact and later.exact,
        )


@dataclass(frozen=True)
class Plan:
    """Slots to claim now, each with its cause; slots that wait in line; slots that do not run."""

    run: tuple[tuple[datetime, Cause], ...] = ()
    queue: tuple[datetime, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def nothing_late(backlog: Backlog, now: datetime, grace: timedelta) -> Plan | None:
    """The plan where every slot came in time, which needs nobody's policy; else None."""
    if now - backlog.first >= grace or backlog.count > len(backlog.tail):
        return None
    return Plan(tuple((slot, Cause.SCHEDULE) for slot in backlog.tail))


def plan(
    backlog: Backlog,
    now: datetime,
    grace: timedelta,
    config: JobConfig,
    excuse: Callable[[datetime], Verdict | None],
    reason: str,
) -> Plan:
    """What becomes of due slots by the row's policy for missed ones.

    `excuse` says why a slot does not run in any case, such as a pause or its calendar; `reason` is
    told of the others.
    """
    late = tuple(slot for slot in backlog.tail if now - slot >= grace)
    fresh = backlog.tail[len(late) :]
    excused = {slot: verdict for slot in backlog.tail if (verdict := excuse(slot)) is not None}
    able = [slot for slot in late if slot not in excused]
    once: tuple[datetime, ...] = ()
    queue: tuple[datetime, ...] = ()
    if config.misfire_policy == Misfire.RUN_ALL:
        since = now - timedelta(seconds=config.misfire_window_seconds)
        queue = tuple(slot for slot in able if slot >= since)[-ROWS_AT_MOST:]
    elif config.misfire_policy == Misfire.RUN_ONCE and not fresh_ones_run(fresh, excused):
        once = tuple(able[-1:])
    run = [(slot, Cause.CATCH_UP) for slot in once] + [(slot, Cause.SCHEDULE) for slot in fresh]
    left = [slot for slot in late if slot not in {*once, *queue}]
    others = backlog.count - len(run) - len(queue)
    missed = Verdict(Status.MISSED, reason)
    if others <= ROWS_AT_MOST and backlog.count <= len(backlog.tail):
        verdicts = [(slot, excused.get(slot, missed)) for slot in left]
    else:
        last = left[-1] if left else backlog.first
        # Without a look at each: a pause that holds from end to end, or else simply missed.
        pause = all(
            slot in excused and excused[slot].status == Status.SKIPPED_PAUSED for slot in left
        ) and (paused(config, backlog.first) or paused(config, now))
        one = Verdict(Status.SKIPPED_PAUSED, pause) if pause else missed
        more = "" if backlog.exact else "more than "
        said = f"{more}{others:,} slots from {utc(backlog.first)} to {utc(last)}: {one.reason}"
        verdicts = [(last, Verdict(one.status, said))]
    rows = tuple(LeftOut(slot, verdict.status, verdict.reason) for slot, verdict in verdicts)
    return Plan(tuple(run), queue, rows)


def fresh_ones_run(fresh: Sequence[datetime], excused: Mapping[datetime, Verdict]) -> bool:
    return any(slot not in excused for slot in fresh)


def _latest(trigger: ScheduleTrigger, now: datetime) -> tuple[datetime, ...]:
    for window in _WINDOWS:
        slots = list(takewhile(lambda slot: slot <= now, trigger.slots(now - window)))
        if slots:
            return tuple(slots[-ROWS_AT_MOST - 1 :])
    return ()
