"""People are told of changes: once, after the last attempt, and of nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler_app.calendars import CalendarRegistry, calendars
from scheduler_app.models import (
    Cause,
    ExecutionLog,
    JobConfig,
    JobState,
    Notification,
    NotificationKind,
    Status,
)
from scheduler_app.notifications.watch import look, overdue
from scheduler_app.pauses import BY_ITSELF
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.webhook import channel

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def ran(status: Status, ago: timedelta, job_id: str = "copy", **fields: object) -> ExecutionLog:
    at = NOW - ago
    return ExecutionLogFactory.create(job_id=job_id, scheduled_for=at, status=status, **fields)


def told() -> list[tuple[str, str]]:
    return list(Notification.objects.order_by("id").values_list("kind", "subject"))


@pytest.fixture(autouse=True)
def hears() -> None:
    channel()


@pytest.fixture
def copy() -> JobConfig:
    return JobConfigFactory.create(job_id="copy", job_name="Copy files")


def test_a_failure_is_told_once_with_its_reason(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=1), error_message="the disk is full")
    look(NOW)
    look(NOW + timedelta(minutes=1))
    (message,) = Notification.objects.all()
    assert message.kind == NotificationKind.FAILING
    assert message.subject == "StockSync: Copy files fails"
    assert "Copy files (copy), 2026-03-03 11:00 CST: the disk is full" in message.body


def test_further_failures_are_no_news(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=2))
    look(NOW)
    ran(Status.FAILED, timedelta(hours=1))
    look(NOW)
    assert told() == [("failing", "StockSync: Copy files fails")]


def test_a_failure_that_is_tried_again_is_not_told_yet(copy: JobConfig) -> None:
    failed = ran(Status.FAILED, timedelta(hours=1))
    retry = ExecutionLogFactory.create(
        job_id="copy",
        queued=True,
        caused_by=Cause.RETRY,
        attempt=2,
        scheduled_for=failed.scheduled_for,
    )
    look(NOW)
    assert told() == []
    retry.status, retry.started_at, retry.finished_at = Status.FAILED, NOW, NOW
    retry.save()
    look(NOW)
    assert told() == [("failing", "StockSync: Copy files fails")]


def test_a_failure_that_goes_on_by_itself_is_told_after_hours(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=1))
    ExecutionLogFactory.create(
        job_id="copy",
        queued=True,
        caused_by=Cause.FOLLOW_UP,
        scheduled_for=NOW + timedelta(hours=4),
    )
    look(NOW)
    assert told() == []
    look(NOW + timedelta(hours=3))
    assert told() == [("failing", "StockSync: Copy files fails")]


def test_a_success_after_a_told_failure_is_told(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=2))
    look(NOW)
    ran(Status.SUCCESS, timedelta(hours=1))
    look(NOW)
    look(NOW)
    assert [kind for kind, _subject in told()] == ["failing", "recovered"]
    assert "Copy files works again" in told()[1][1]


def test_a_failure_that_a_retry_mended_is_never_told(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=2))
    ran(Status.SUCCESS, timedelta(hours=1))
    look(NOW)
    assert told() == []


def test_many_slots_left_out_after_a_failure_are_no_recovery(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=10))
    look(NOW)
    for minutes in range(250):
        ran(Status.SKIPPED_OVERLAP, timedelta(hours=9) - timedelta(minutes=minutes))
    look(NOW)
    assert [kind for kind, _subject in told()] == ["failing"]
    assert JobState.objects.get().failing


def test_a_schedule_that_is_off_is_not_told_of() -> None:
    JobConfigFactory.create(job_id="copy", enabled=False)
    ran(Status.FAILED, timedelta(hours=1))
    look(NOW)
    assert told() == []


def test_several_failures_at_once_are_one_message() -> None:
    for number in range(25):
        JobConfigFactory.create(job_id=f"job_{number}", job_name="")
        ran(Status.FAILED, timedelta(hours=1), job_id=f"job_{number}")
    look(NOW)
    (message,) = Notification.objects.all()
    assert message.subject == "StockSync: 25 schedules fail"
    assert "- and 5 more" in message.body


def test_only_channels_that_are_on_and_hear_of_changes_are_told(copy: JobConfig) -> None:
    channel(name="off", enabled=False)
    channel(name="digests only", on_change=False)
    channel(name="watcher", kind="heartbeat")
    ran(Status.FAILED, timedelta(hours=1))
    look(NOW)
    assert [each.channel.name for each in Notification.objects.all()] == ["Team"]


def test_a_pause_by_itself_is_told_once(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=1))
    copy.paused_at, copy.paused_by = NOW - timedelta(minutes=30), BY_ITSELF
    copy.paused_reason = "it failed 3 times in a row"
    copy.save()
    for _ in range(3):
        look(NOW)
    assert told()[1:] == [("paused", "StockSync: Copy files paused itself")]
    assert "it failed 3 times in a row" in Notification.objects.get(kind="paused").body


def test_a_pause_by_a_person_is_not_told(copy: JobConfig) -> None:
    copy.paused_at, copy.paused_by = NOW - timedelta(minutes=30), "mei"
    copy.save()
    ran(Status.SUCCESS, timedelta(hours=1))
    look(NOW)
    assert told() == []


# The day of NOW in Shanghai is 2026-03-03, a Tuesday; NOW is its noon.
def due_at(success_by: str, **fields: object) -> JobConfig:
    config = JobConfigFactory.create(
        job_id="copy", job_name="Copy files", success_by=success_by, **fields
    )
    JobConfig.objects.update(schedule_since=NOW - timedelta(days=3))
    config.refresh_from_db()
    return config


def test_no_success_by_the_time_is_told_once_a_day() -> None:
    due_at("11:30")
    ran(Status.SUCCESS, timedelta(hours=13))
    look(NOW)
    look(NOW + timedelta(minutes=1))
    assert told() == [("no_success", "StockSync: Copy files: no success in time")]
    assert "2026-03-03 11:30 CST" in Notification.objects.get().body
    look(NOW + timedelta(days=1))
    assert len(told()) == 2


def test_a_success_of_today_is_in_time() -> None:
    config = due_at("11:30")
    ran(Status.SUCCESS, timedelta(hours=11, minutes=59))
    assert overdue(config, NOW) is None


def test_nothing_is_overdue_before_its_time() -> None:
    config = due_at("12:01")
    assert overdue(config, NOW) is None
    assert overdue(config, NOW + timedelta(minutes=1)) is not None


def test_the_time_is_that_of_the_schedule() -> None:
    config = due_at("05:00", timezone="UTC")
    assert overdue(config, NOW) is None
    assert overdue(config, NOW + timedelta(hours=1)) == NOW + timedelta(hours=1)


def test_a_pause_and_a_young_schedule_excuse_it() -> None:
    config = due_at("11:30")
    assert overdue(config, NOW) is not None
    config.paused_at = NOW - timedelta(hours=2)
    assert overdue(config, NOW) is None
    config.paused_at, config.schedule_since = None, NOW - timedelta(minutes=5)
    assert overdue(config, NOW) is None


def test_a_day_off_excuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    of_tests = CalendarRegistry()
    of_tests.register("wednesdays", "Wednesdays", lambda day: day.weekday() == 2)
    monkeypatch.setattr(calendars, "_calendars", of_tests._calendars)
    config = due_at("11:30", run_calendar="wednesdays")
    assert overdue(config, NOW) is None
    assert overdue(config, NOW + timedelta(days=1)) is not None


def test_a_long_error_is_cut(copy: JobConfig) -> None:
    ran(Status.FAILED, timedelta(hours=1), error_message="x" * 2000)
    look(NOW)
    # An error is read from the history up to its 300th character.
    assert Notification.objects.get().body.count("x") == 300
