"""On which days a schedule runs. Each app registers its calendars in a module `run_calendar.py`.

A day that a calendar knows nothing of counts as a run day, and that is said: a lost day is worse than
a run that finds nothing to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from django.db import Error as DatabaseProblem
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduler_app.cron import zone
from scheduler_app.errors import SchedulerError, UnknownRunDay, short
from scheduler_app.policy_fields import EVERY_DAY

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from scheduler_app.models import JobConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunCalendar:
    """`is_run_day` takes a date in the schedule's time zone and may raise UnknownRunDay."""

    name: str
    title: StrOrPromise
    is_run_day: Callable[[date], bool]


@dataclass(frozen=True)
class RunDay:
    """Whether a schedule runs on `day`; `why` says why not, `doubt` why nobody could say."""

    day: date
    why: str = ""
    doubt: str = ""

    @property
    def runs(self) -> bool:
        return not self.why


class CalendarRegistry:
    def __init__(self) -> None:
        self._calendars: dict[str, RunCalendar] = {}

    def register(
        self, name: str, title: StrOrPromise, is_run_day: Callable[[date], bool]
    ) -> RunCalendar:
        """Make a calendar known under a name that schedules can carry.

        Raises:
            SchedulerError: the name is taken by another calendar.
        """
        made = RunCalendar(name, title, is_run_day)
        if self._calendars.setdefault(name, made) != made:
            raise SchedulerError(f"The run calendar {name} is registered twice.")
        return made

    def choices(self) -> list[tuple[str, StrOrPromise]]:
        return [(calendar.name, calendar.title) for calendar in self._calendars.values()]

    def title(self, name: str) -> str:
        calendar = self._calendars.get(name)
        return str(calendar.title) if calendar else name

    def __contains__(self, name: object) -> bool:
        return name in self._calendars

    def on(self, name: str, day: date) -> RunDay:
        """What the calendar of that name says of a day.

        Raises:
            django.db.Error: the calendar lies in the database, and that is away.
        """
        calendar = self._calendars.get(name)
        if calendar is None:
            return RunDay(day, doubt=_("this version has no run calendar %s") % short(name))
        try:
            if calendar.is_run_day(day):
                return RunDay(day)
        except UnknownRunDay as error:
            return RunDay(day, doubt=str(error))
        except DatabaseProblem:
            raise
        except Exception as error:
            logger.exception("action=run_calendar name=%s day=%s failed", name, day)
            said = _("the run calendar %(name)s failed: %(error)s")
            return RunDay(day, doubt=said % {"name": name, "error": error})
        said = _("%(day)s is not a run day: %(calendar)s")
        return RunDay(day, why=said % {"day": day, "calendar": calendar.title})


calendars = CalendarRegistry()
register_calendar = calendars.register
register_calendar(EVERY_DAY, gettext_lazy("every day"), lambda day: True)


def run_day(config: JobConfig, slot: datetime) -> RunDay:
    """What the row's calendar says of a slot, by its date in the row's time zone."""
    return calendars.on(config.run_calendar, slot.astimezone(zone(config.timezone)).date())
