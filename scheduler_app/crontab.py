"""What a cron expression may say, and a sentence for each way in which it may not.

Five fields: minute, hour, day of month, month, weekday (0 and 7 are Sunday). If neither day field
starts with a star, a day matches when either does, as in crontab.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduler_app.errors import InvalidCron, short

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
ALIASES = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
MAX_LENGTH = 100
# A year with 29 February, so that every expression that fires at all is found from here.
_PROBE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Field:
    key: str
    name: StrOrPromise
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def valid(self) -> str:
        if self.key == "weekday":
            return _("0 to 7 or SUN to SAT (0 and 7 are Sunday)")
        limits = {"low": self.low, "high": self.high}
        if not self.names:
            return _("%(low)d to %(high)d") % limits
        return _("%(low)d to %(high)d or %(first)s to %(last)s") % {
            **limits,
            "first": self.names[0],
            "last": self.names[-1],
        }

    def value(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.low
        if not re.fullmatch("[0-9]{1,4}", text) or not self.low <= int(text) <= self.high:
            raise InvalidCron(
                _("The %(field)s %(value)s is not one of %(valid)s.")
                % {"field": self.name, "value": short(text.lower()), "valid": self.valid}
            )
        return int(text)

    def check(self, text: str) -> None:
        for term in text.split(","):
            self._check_term(term, text)

    def _check_term(self, term: str, text: str) -> None:
        if not term:
            raise InvalidCron(
                _("The %(field)s %(value)s has an empty item in its list.")
                % {"field": self.name, "value": short(text)}
            )
        if self.key == "day" and term in {"L", "LW"}:
            return
        if self.key == "weekday" and (special := re.fullmatch("(.+?)(?:#(.*)|(L))", term)):
            self._check_nth(*special.groups(), term=term)
            return
        base, slash, step = term.partition("/")
        first, dash, last = base.partition("-")
        low = self.low if base == "*" else self.value(first)
        high = self.high if base == "*" or not dash else self.value(last)
        if high < low:
            raise InvalidCron(
                _("The %(field)s range %(value)s runs backwards: write it as a list.")
                % {"field": self.name, "value": short(base.lower())}
            )
        if slash:
            self._check_step(term, step, high - low)

    def _check_step(self, term: str, step: str, span: int) -> None:
        if not re.fullmatch("[0-9]{1,4}", step) or int(step) == 0:
            raise InvalidCron(
                _("The step of the %(field)s %(value)s is not a number above 0.")
                % {"field": self.name, "value": short(term)}
            )
        if int(step) > span:
            raise InvalidCron(
                _(
                    "The %(field)s %(value)s does not mean every %(step)d: it would fire at its "
                    "first value only, because a step in this field is at most %(most)d."
                )
                % {"field": self.name, "value": short(term), "step": int(step), "most": span}
            )

    def _check_nth(self, day: str, nth: str | None, last: str | None, *, term: str) -> None:
        if last and not day.isdigit():
            raise InvalidCron(
                _(
                    "The weekday %(value)s is not valid: the last Friday of the month is 5L, and "
                    "names cannot be used with L."
                )
                % {"value": short(term.lower())}
            )
        self.value(day)
        if nth is not None and nth not in {"1", "2", "3", "4", "5"}:
            raise InvalidCron(
                _("The weekday %(value)s is not valid: after # comes 1 to 5, as MON#2.")
                % {"value": short(term.lower())}
            )


_FIELDS = (
    _Field("minute", gettext_lazy("minute"), 0, 59),
    _Field("hour", gettext_lazy("hour"), 0, 23),
    _Field("day", gettext_lazy("day of month"), 1, 31),
    _Field("month", gettext_lazy("month"), 1, 12, MONTHS),
    _Field("weekday", gettext_lazy("weekday"), 0, 7, WEEKDAYS),
)


def parse(expression: object) -> str:
    """The expression with its spaces in order, if crontab can fire it.

    Raises:
        InvalidCron: with a sentence that says what is wrong and what would be valid.
    """
    if not isinstance(expression, str):
        raise InvalidCron(
            _("A cron expression is text such as 0 18 * * *, not %(value)s.")
            % {"value": short(expression)}
        )
    if len(expression) > MAX_LENGTH:
        raise InvalidCron(
            _("A cron expression has at most %(most)d characters.") % {"most": MAX_LENGTH}
        )
    return _parse(expression)


@lru_cache(maxsize=4096)
def _parse(expression: str) -> str:
    parts = expression.split()
    alias = ALIASES.get(expression.strip().upper())
    if alias:
        raise InvalidCron(
            _("Aliases are not accepted: write %(cron)s instead of %(alias)s.")
            % {"cron": alias, "alias": expression.strip()}
        )
    if len(parts) != len(_FIELDS):
        sentence = _(
            "The cron expression %(value)s has %(count)d fields; it takes five: minute, hour, day "
            "of month, month, weekday."
        ) % {"value": short(expression), "count": len(parts)}
        if len(parts) == 6:
            sentence += " " + _("Seconds are not supported: use an interval.")
        raise InvalidCron(sentence)
    for field, text in zip(_FIELDS, parts, strict=True):
        field.check(text.upper())
    normal = " ".join(parts)
    try:
        next(CronSim(normal, _PROBE))
    except (CronSimError, StopIteration):
        raise InvalidCron(
            _(
                "The cron expression %(cron)s never fires: no date matches its day of month, month "
                "and weekday."
            )
            % {"cron": normal}
        ) from None
    return normal


def zone(name: object) -> zoneinfo.ZoneInfo:
    """The time zone of that name.

    Raises:
        InvalidCron: it is not in the time zone database.
    """
    if isinstance(name, str) and name in _zone_names():
        return zoneinfo.ZoneInfo(name)
    raise InvalidCron(
        _(
            "There is no time zone %(name)s: use a name such as Asia/Shanghai, America/New_York "
            "or UTC."
        )
        % {"name": short(name)}
    )


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # ZoneInfo itself opens files by name; only names of the database are let through.
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def from_time(hour: object, minute: object = 0) -> str:
    """`0 18 * * *` for 18 and 0: every day at that time.

    Raises:
        InvalidCron: not an hour (0 to 23) or not a minute (0 to 59).
    """
    for name, value, high in ((_("hour"), hour, 23), (_("minute"), minute, 59)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            raise InvalidCron(
                _("The %(field)s is %(value)s; it takes a number from 0 to %(most)d.")
                % {"field": name, "value": short(value), "most": high}
            )
    return f"{minute} {hour} * * *"
