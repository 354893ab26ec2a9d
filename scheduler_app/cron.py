"""When a schedule fires. Cron means crontab: cronsim parses, previews and fires, and nothing else.

When clocks change, a fixed time fires once: a time that does not exist fires at the first that
does, a repeated one the first time. Intervals are multiples since a fixed origin.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim
from django.utils.translation import gettext as _

from scheduler_app.crontab import from_time, parse, zone
from scheduler_app.errors import InvalidCron, short

if TYPE_CHECKING:
    from scheduler_app.models import JobConfig

__all__ = [
    "MAX_INTERVAL_SECONDS",
    "CronSimTrigger",
    "IntervalTrigger",
    "ScheduleTrigger",
    "check_interval",
    "fire_times",
    "from_time",
    "interval_times",
    "next_runs",
    "parse",
    "trigger_of",
    "zone",
]

logger = logging.getLogger(__name__)

MAX_INTERVAL_SECONDS = 365 * 24 * 3600


def fire_times(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Every fire time strictly after `after`, ever later, in the schedule's own time zone."""
    local = zone(timezone)
    # cronsim takes fixed times as wall-clock times. Around a clock change these can repeat or lie
    # before `after`; a fire time counts only if it is later than the last one.
    last = after.astimezone(UTC)
    for fired in CronSim(parse(expression), last.astimezone(local)):
        moment = fired.astimezone(UTC)
        if moment > last:
            last = moment
            yield moment.astimezone(local)


@lru_cache(maxsize=4096)
def _first_fire_time(expression: str, timezone: str, after: datetime) -> datetime | None:
    """For `after` in UTC. A slot is asked for several times, from its loading to its claim, and by every
    schedule that has it."""
    return next(fire_times(expression, timezone, after), None)


def next_runs(
    expression: str, timezone: str, count: int = 6, after: datetime | None = None
) -> list[datetime]:
    """The next `count` fire times after `after` (now), aware, in the schedule's time zone.

    Raises:
        InvalidCron: the expression or the time zone cannot be used.
    """
    return list(islice(fire_times(expression, timezone, after or datetime.now(UTC)), count))


def interval_times(seconds: int, after: datetime) -> Iterator[datetime]:
    """The multiples of `seconds` since 1970-01-01 UTC, strictly after `after`: the same slots in
    every process, whenever it started."""
    slot = int(after.timestamp() // seconds) * seconds
    while True:
        slot += seconds
        yield datetime.fromtimestamp(slot, UTC)


class ScheduleTrigger(BaseTrigger):  # type: ignore[misc]
    """A trigger of APScheduler that answers with our slots."""

    def slots(self, after: datetime) -> Iterator[datetime]:
        """Every slot strictly after `after`, ever later."""
        raise NotImplementedError

    def next_slot(self, after: datetime) -> datetime | None:
        return next(self.slots(after), None)

    def is_slot(self, moment: datetime) -> bool:
        slot = self.next_slot(moment - timedelta(seconds=1))
        # Times of two zones are never equal to Python while one of them is repeated (PEP 495).
        return slot is not None and slot.astimezone(UTC) == moment.astimezone(UTC)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """Never raises: that would end APScheduler's loop, and with it every other schedule."""
        try:
            return self.next_slot(previous or now)
        except Exception:
            # None unloads the row. The next full look loads it again, or says why it cannot fire.
            logger.exception("action=next_slot trigger=%r failed", self)
            return None


class CronSimTrigger(ScheduleTrigger):
    def __init__(self, expression: str, timezone: str = "Asia/Shanghai") -> None:
        self.expression = parse(expression)
        self.timezone = zone(timezone).key

    def slots(self, after: datetime) -> Iterator[datetime]:
        return fire_times(self.expression, self.timezone, after)

    def next_slot(self, after: datetime) -> datetime | None:
        return _first_fire_time(self.expression, self.timezone, after.astimezone(UTC))

    def __repr__(self) -> str:
        return f"CronSimTrigger({self.expression!r}, {self.timezone!r})"


class IntervalTrigger(ScheduleTrigger):
    def __init__(self, seconds: int) -> None:
        self.seconds = check_interval(seconds)

    def slots(self, after: datetime) -> Iterator[datetime]:
        return interval_times(self.seconds, after)

    def __repr__(self) -> str:
        return f"IntervalTrigger({self.seconds})"


def check_interval(seconds: object) -> int:
    """The interval, if it is a whole number of seconds from one second to one year.

    Raises:
        InvalidCron: it is not.
    """
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not whole or not 1 <= seconds <= MAX_INTERVAL_SECONDS:  # type: ignore[operator]
        raise InvalidCron(
            _(
                "The interval is %(value)s; it takes a whole number of seconds from 1 to %(most)d "
                "(365 days)."
            )
            % {"value": short(seconds), "most": MAX_INTERVAL_SECONDS}
        )
    return seconds  # type: ignore[return-value]


def trigger_of(config: JobConfig) -> ScheduleTrigger:
    """The trigger of a row.

    Raises:
        InvalidCron: the row cannot fire, and why.
    """
    if config.trigger == "interval":
        return IntervalTrigger(config.interval_seconds)  # type: ignore[arg-type]
    return CronSimTrigger(config.cron_expression, config.timezone)
