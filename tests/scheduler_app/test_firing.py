"""What the scheduler fires on odd days, by a clock that the test moves: from APScheduler to the rows."""

from __future__ import annotations

import datetime as dt
import threading
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers.base import BaseScheduler
from django.utils import timezone

from scheduler_app.leadership import Leadership
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.processes import ProcessRow
from scheduler_app.registry import JobRegistry
from scheduler_app.runner import Runner
from scheduler_app.term import Term
from scheduler_app.work import Work
from tests.factories import JobConfigFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db

NEW_YORK, LONDON = "America/New_York", "Europe/London"


class Stepped:
    """A leading scheduler whose loop is stepped from one due time to the next."""

    def __init__(self, jobs: JobRegistry, start: datetime) -> None:
        leadership = Leadership(SchedulerProcessFactory().pk)
        leadership.keep()
        self._runner = Runner(jobs, leadership)
        self._works: list[Work] = []
        self.now = start
        self._term = Term(ProcessRow(), self._works.append, leadership.fence)
        # Without its thread.
        self._term.scheduler._event = threading.Event()
        BaseScheduler.start(self._term.scheduler)
        self._term.load(jobs, start)
        self._term._release()

    def run_until(self, end: datetime) -> None:
        while (due := self._term._store.get_next_run_time()) is not None and due <= end:
            self.now = due
            with (
                patch("apscheduler.schedulers.base.datetime", self._clock()),
                patch.object(timezone, "now", lambda: self.now),
            ):
                self._term.scheduler._process_jobs()
                for work in self._works:
                    for execution in self._runner.claim_plain([work]) or self._runner.claim(work):
                        self._runner.execute(execution)
            self._works.clear()

    def _clock(self) -> type[datetime]:
        now = self.now

        class Clock(datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Clock:
                moment = now.astimezone(tz)
                return cls.combine(moment.date(), moment.timetz())

        return Clock


def fired(jobs: JobRegistry, expression: str, zone: str, start: str, days: float) -> list[str]:
    """The slots that ran in these days, on the wall of their time zone."""
    local = ZoneInfo(zone)
    begin = datetime.fromisoformat(start).replace(tzinfo=local).astimezone(UTC)
    JobConfig.objects.all().delete()
    config = JobConfigFactory(job_id="copy_files", cron_expression=expression, timezone=zone)
    JobConfig.objects.filter(pk=config.pk).update(schedule_since=begin, last_slot=begin)
    Stepped(jobs, begin).run_until(begin + timedelta(days=days))
    rows = ExecutionLog.objects.filter(job_id="copy_files").order_by("scheduled_for")
    assert {row.status for row in rows} == {Status.SUCCESS}
    assert all(row.started_at == row.scheduled_for for row in rows)
    return [f"{row.scheduled_for.astimezone(local):%m-%d %H:%M %z}" for row in rows]


@pytest.mark.parametrize(
    ("zone", "expression", "start", "expected"),
    [
        (
            NEW_YORK,
            "30 2 * * *",
            "2026-03-07",
            ["03-07 02:30 -0500", "03-08 03:00 -0400", "03-09 02:30 -0400"],
        ),
        (
            NEW_YORK,
            "30 1 * * *",
            "2026-10-31",
            ["10-31 01:30 -0400", "11-01 01:30 -0400", "11-02 01:30 -0500"],
        ),
        (
            LONDON,
            "30 1 * * *",
            "2026-03-28",
            ["03-28 01:30 +0000", "03-29 02:00 +0100", "03-30 01:30 +0100"],
        ),
        (
            LONDON,
            "30 1 * * *",
            "2026-10-24",
            ["10-24 01:30 +0100", "10-25 01:30 +0100", "10-26 01:30 +0000"],
        ),
    ],
)
def test_a_time_of_day_fires_once_a_day_when_clocks_change(
    jobs: JobRegistry, zone: str, expression: str, start: str, expected: list[str]
) -> None:
    assert fired(jobs, expression, zone, start, 3) == expected


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        (NEW_YORK, "2026-03-08", ["00:30 -0500", "01:30 -0500", "03:30 -0400", "04:30 -0400"]),
        (NEW_YORK, "2026-11-01", ["00:30 -0400", "01:30 -0400", "01:30 -0500", "02:30 -0500"]),
        (LONDON, "2026-03-29", ["00:30 +0000", "02:30 +0100", "03:30 +0100", "04:30 +0100"]),
        (LONDON, "2026-10-25", ["00:30 +0100", "01:30 +0100", "01:30 +0000", "02:30 +0000"]),
    ],
)
def test_every_hour_fires_in_every_hour_that_there_is(
    jobs: JobRegistry, zone: str, day: str, expected: list[str]
) -> None:
    runs = fired(jobs, "30 * * * *", zone, day, days=4 / 24)
    assert [run[6:] for run in runs] == expected


@pytest.mark.parametrize(
    ("expression", "start", "days", "expected"),
    [
        ("0 0 29 2 *", "2027-02-01", 400, ["02-29"]),
        ("0 0 31 * *", "2026-01-01", 180, ["01-31", "03-31", "05-31"]),
        ("0 0 L 2 *", "2026-01-02", 800, ["02-28", "02-28", "02-29"]),
        ("0 0 * * 0", "2026-03-01T01", 15, ["03-08", "03-15"]),
        ("0 0 * * 7", "2026-03-01T01", 15, ["03-08", "03-15"]),
    ],
)
def test_days_that_not_every_month_has_and_both_names_of_sunday(
    jobs: JobRegistry, expression: str, start: str, days: int, expected: list[str]
) -> None:
    runs = fired(jobs, expression, "Asia/Shanghai", start, days)
    assert [run[:5] for run in runs] == expected
