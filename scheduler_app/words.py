"""A schedule in words, where there are plain ones; else its cron expression.

Each case is a sentence of its own, so that another language says it in its own way.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _
from django.utils.translation import npgettext_lazy, pgettext_lazy

from scheduler_app.calendars import calendars
from scheduler_app.models import JobConfig, Trigger
from scheduler_app.policy_fields import EVERY_DAY

_DAYS = (
    pgettext_lazy("of a schedule", "Sunday"),
    pgettext_lazy("of a schedule", "Monday"),
    pgettext_lazy("of a schedule", "Tuesday"),
    pgettext_lazy("of a schedule", "Wednesday"),
    pgettext_lazy("of a schedule", "Thursday"),
    pgettext_lazy("of a schedule", "Friday"),
    pgettext_lazy("of a schedule", "Saturday"),
    pgettext_lazy("of a schedule", "Sunday"),
)
# Monday first, as Python counts.
WEEKDAYS = (
    pgettext_lazy("weekday", "Mon"),
    pgettext_lazy("weekday", "Tue"),
    pgettext_lazy("weekday", "Wed"),
    pgettext_lazy("weekday", "Thu"),
    pgettext_lazy("weekday", "Fri"),
    pgettext_lazy("weekday", "Sat"),
    pgettext_lazy("weekday", "Sun"),
)
_EVERY_MINUTES = npgettext_lazy("interval", "every minute", "every %(count)d minutes", "count")
_UNITS = (
    (86400, npgettext_lazy("interval", "every day", "every %(count)d days", "count")),
    (3600, npgettext_lazy("interval", "every hour", "every %(count)d hours", "count")),
    (60, _EVERY_MINUTES),
    (1, npgettext_lazy("interval", "every second", "every %(count)d seconds", "count")),
)


def schedule_in_words(config: JobConfig) -> str:
    """`every day at 18:00`, `Monday to Friday at 09:30`, `every 5 minutes`, or `0 0 1 */2 *`; and
    its calendar, where that is not every day's."""
    if config.trigger == Trigger.INTERVAL:
        words = _interval(config.interval_seconds or 0)
    else:
        words = _cron(config.cron_expression)
    if config.run_calendar == EVERY_DAY:
        return words
    calendar = calendars.title(config.run_calendar)
    return _("%(when)s, %(calendar)s") % {"when": words, "calendar": calendar}


def _interval(seconds: int) -> str:
    for size, every in _UNITS:
        if seconds and seconds % size == 0:
            return every % {"count": seconds // size}
    return ""


def _cron(expression: str) -> str:
    parts = expression.split()
    if len(parts) != 5:
        return expression
    minute, hour, *days = parts
    if hour == "*" and days == ["*", "*", "*"]:
        return _within_the_hour(minute) or expression
    if not (minute.isdigit() and re.fullmatch(r"\d+(,\d+)*", hour)):
        return expression
    times = _listed([f"{int(each):02}:{int(minute):02}" for each in hour.split(",")])
    return _at(times, days) or expression


def _within_the_hour(minute: str) -> str | None:
    if minute.isdigit():
        return _("every hour at minute %(minute)d") % {"minute": int(minute)}
    step = "1" if minute == "*" else minute.removeprefix("*/")
    if step.isdigit() and int(step) and 60 % int(step) == 0:
        return _EVERY_MINUTES % {"count": int(step)}
    return None


def _at(times: str, days: list[str]) -> str | None:
    """Day of month, month, weekday: only the plain cases."""
    day, month, weekday = days
    if month != "*":
        return None
    if day == "*" and weekday == "*":
        return _("every day at %(times)s") % {"times": times}
    if weekday == "*" and day.isdigit():
        return _("on day %(day)d of the month at %(times)s") % {"day": int(day), "times": times}
    if day == "*" and (span := re.fullmatch("([0-7])(?:-([0-7]))?", weekday)):
        first, last = (_DAYS[int(each)] if each else "" for each in span.groups())
        if not last:
            return _("%(day)s at %(times)s") % {"day": first, "times": times}
        said = _("%(first)s to %(last)s at %(times)s")
        return said % {"first": first, "last": last, "times": times}
    return None


def _listed(times: list[str]) -> str:
    if len(times) == 1:
        return times[0]
    # Translators: stands between times of day.
    most = _(", ").join(times[:-1])
    return _("%(times)s and %(last)s") % {"times": most, "last": times[-1]}
