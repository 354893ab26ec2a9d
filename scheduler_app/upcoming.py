"""When a schedule runs next: its slots without those that its calendar or a pause leaves out.

The same calendars and pauses are asked that decide when a slot is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from scheduler_app import cron
from scheduler_app.calendars import calendars
from scheduler_app.models import JobConfig
from scheduler_app.policies import paused

# A schedule that its calendar leaves out for so many days on end is looked at no further.
DAYS_LEFT_OUT_AT_MOST = 400
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Upcoming:
    """The next runs in the schedule's own time zone; the days with slots that its calendar leaves
    out before the last of them; why nobody can say of some days; and the pause that holds now."""

    runs: tuple[datetime, ...] = ()
    left_out: tuple[date, ...] = ()
    doubt: str = ""
    pause: str = ""


def upcoming(config: JobConfig, count: int, after: datetime | None = None) -> Upcoming:
    """The next `count` runs of a row after a moment (now); none for a row that is off.

    Raises:
        InvalidCron: the row cannot fire, and why.
    """
    if not config.enabled:
        return Upcoming()
    moment = after or datetime.now(UTC)
    pause = paused(config, moment)
    if pause and config.paused_until is None:
        return Upcoming(pause=pause)
    if pause and config.paused_until is not None:
        # A slot at the very end of the pause runs.
        moment = config.paused_until - _TICK
    trigger, zone = cron.trigger_of(config), cron.zone(config.timezone)
    runs: list[datetime] = []
    left_out: list[date] = []
    doubt, in_a_row = "", 0
    while len(runs) < count and in_a_row < DAYS_LEFT_OUT_AT_MOST:
        slot = trigger.next_slot(moment)
        if slot is None:
            break
        local = slot.astimezone(zone)
        day = calendars.on(config.run_calendar, local.date())
        if day.runs:
            runs.append(local)
            moment, in_a_row, doubt = slot, 0, doubt or day.doubt
        else:
            left_out.append(day.day)
            in_a_row += 1
            midnight = datetime.combine(day.day + timedelta(days=1), time(), zone)
            moment = max(midnight - _TICK, slot)
    if runs:
        left_out = left_out[: len(left_out) - in_a_row]
    return Upcoming(tuple(runs), tuple(left_out), doubt, pause)
