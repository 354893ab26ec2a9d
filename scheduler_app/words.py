"""A schedule in words, where there are plain ones; else its cron expression."""

from __future__ import annotations

import re

from scheduler_app.calendars import calendars
from scheduler_app.models import JobConfig, Trigger
from scheduler_app.policy_fields import EVERY_DAY

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def schedule_in_words(config: JobConfig) -> str:
    """`every day at 18:00`, `Monday to Friday at 09:30`, `every 5 minutes`, or `0 0 1 */2 *`; and
    its calendar, where that is not every day's."""
    if config.trigger == Trigger.INTERVAL:
        words = _interval(config.interval_seconds or 0)
    else:
        words = _cron(config.cron_expression)
    if config.run_calendar == EVERY_DAY:
        return words
    return f"{words}, {calendars.title(config.run_calendar)}"


def _interval(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return _every(seconds // size, unit)
    return ""


def _cron(expression: str) -> str:
    parts = expression.split()
    if len(parts) != 5:
        return expression
    minute, hour, *days = parts
    if hour == "*" and days == ["*", "*", "*"]:
        return _within_the_hour(minute) or expression
    when = _when(days)
    if when is None or not (minute.isdigit() and re.fullmatch(r"\d+(,\d+)*", hour)):
        return expression
    times = [f"{int(each):02}:{int(minute):02}" for each in hour.split(",")]
    return f"{when} at {_listed(times)}"


def _within_the_hour(minute: str) -> str | None:
    if minute == "*":
        return "every minute"
    if minute.isdigit():
        return f"every hour at minute {int(minute)}"
    if (step := re.fullmatch(r"\*/(\d+)", minute)) and 60 % int(step[1]) == 0:
        return _every(int(step[1]), "minute")
    return None


def _when(days: list[str]) -> str | None:
    """Day of month, month, weekday: only the plain cases."""
    day, month, weekday = days
    if month != "*":
        return None
    if day == "*" and weekday == "*":
        return "every day"
    if weekday == "*" and day.isdigit():
        return f"on day {int(day)} of the month"
    if day == "*" and (span := re.fullmatch("([0-7])(?:-([0-7]))?", weekday)):
        first, last = span.groups()
        return _DAYS[int(first)] + (f" to {_DAYS[int(last)]}" if last else "")
    return None


def _every(number: int, unit: str) -> str:
    return f"every {unit}" if number == 1 else f"every {number} {unit}s"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
