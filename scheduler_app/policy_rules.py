"""Which values the policies of a schedule take, and the sentence for each that they do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduler_app.calendars import calendars
from scheduler_app.errors import short
from scheduler_app.models import JobConfig
from scheduler_app.policy_fields import DAY_SECONDS, Misfire, Overlap

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

YEAR_SECONDS = 365 * DAY_SECONDS
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Whole:
    """A whole number of something, from `low` to `high`."""

    low: int
    high: int
    of: StrOrPromise

    def problem(self, value: object) -> str:
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        ):
            return ""
        said = {"of": self.of, "low": self.low, "high": self.high}
        if self.low == 0:
            return _("it takes a whole number of %(of)s from 0 (none) to %(high)d") % said
        return _("it takes a whole number of %(of)s from %(low)d to %(high)d") % said


@dataclass(frozen=True)
class Factor:
    low: float
    high: float

    def problem(self, value: object) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and self.low <= value <= self.high:  # type: ignore[operator]
            return ""
        return _("it takes a number from %(low)g to %(high)g") % {
            "low": self.low,
            "high": self.high,
        }


class YesOrNo:
    def problem(self, value: object) -> str:
        return "" if isinstance(value, bool) else _("it takes true or false")


@dataclass(frozen=True)
class OneOf:
    values: tuple[str, ...]

    def problem(self, value: object) -> str:
        if isinstance(value, str) and value in self.values:
            return ""
        return _("it takes one of %(names)s") % {"names": ", ".join(self.values)}


class ClockTime:
    """A time of day, or no text for none."""

    def problem(self, value: object) -> str:
        if value == "" or (isinstance(value, str) and _CLOCK_TIME.fullmatch(value)):
            return ""
        return _("it takes a time of day such as 19:30, or empty text for none")


class Calendar:
    def problem(self, value: object) -> str:
        names = tuple(name for name, _title in calendars.choices())
        return OneOf(names).problem(value)


RULES: Mapping[str, Whole | Factor | YesOrNo | OneOf | ClockTime | Calendar] = {
    "run_calendar": Calendar(),
    "misfire_policy": OneOf(tuple(Misfire.values)),
    "misfire_window_seconds": Whole(1, YEAR_SECONDS, gettext_lazy("seconds")),
    "start_deadline_seconds": Whole(0, YEAR_SECONDS, gettext_lazy("seconds")),
    "overlap_policy": OneOf(tuple(Overlap.values)),
    "time_limit_seconds": Whole(0, YEAR_SECONDS, gettext_lazy("seconds")),
    "runs_in_subprocess": YesOrNo(),
    "max_retries": Whole(0, 20, gettext_lazy("retries")),
    "retry_delay_seconds": Whole(0, DAY_SECONDS, gettext_lazy("seconds")),
    "retry_backoff": Factor(1, 100),
    "pause_after_failures": Whole(0, 1000, gettext_lazy("failures")),
    "success_by": ClockTime(),
    "retention_days": Whole(0, 36_500, gettext_lazy("days")),
    "retention_runs": Whole(0, 100_000, gettext_lazy("executions")),
}
POLICIES = tuple(RULES)


def problems(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The policies among these fields that cannot be used: (field, sentence)."""
    for name, rule in RULES.items():
        if name in fields and (problem := rule.problem(fields[name])):
            yield (
                name,
                _("The %(field)s is %(value)s; %(problem)s.")
                % {"field": name, "value": short(fields[name]), "problem": problem},
            )


def defaults() -> dict[str, Any]:
    """What a new schedule starts with."""
    fresh = JobConfig()
    return {name: getattr(fresh, name) for name in POLICIES}
