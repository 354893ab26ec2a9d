"""The scheduler as staff run it: a process of its own, with real signals."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.utils import timezone

from scheduler_app.health import ProcessName, scheduler_status
from scheduler_app.models import (
    Delivery,
    ExecutionLog,
    JobConfig,
    Notification,
    SchedulerProcess,
    Status,
)
from tests.acceptance.runscheduler import SchedulerUnderTest, database_url
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import registered
from tests.stalling_proxy import StallingProxy
from tests.waiting import eventually
from tests.webhook import SECRET, Receiver, channel

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.serving() as server:
        yield server


@pytest.fixture
def url() -> str:
    JobConfig.objects.all().delete()
    return database_url(connection.settings_dict)


def statuses(job_id: str) -> list[str]:
    rows = ExecutionLog.objects.filter(job_id=job_id).order_by("scheduled_for")
    return list(rows.values_list("status", flat=True))


def test_it_fires_follows_edits_and_runs_what_is_queued(url: str, tmp_path: Path) -> None:
    JobConfigFactory(interval=True, job_id="quick", interval_seconds=1, job_kwargs={"text": "hi"})
    with SchedulerUnderTest(url, tmp_path / "log") as scheduler:
        assert scheduler.says("action=ready")
        assert eventually(lambda: statuses("quick").count("SUCCESS") >= 2)

        JobConfig.objects.filter(job_id="quick").update(
            trigger="cron", cron_expression="0 18 * * 1-5"
        )

        def applied() -> bool:
            status = scheduler_status()
            return status.revision_applied == status.revision_wanted

        assert eventually(applied, seconds=2)
        (next_run,) = scheduler_status().next_runs
        assert "T18:00:00+00:00" in next_run["at"]

        queued = ExecutionLogFactory(queued=True, job_id="broken")
        assert eventually(lambda: statuses("broken") == ["FAILED"], seconds=3)
    run = ExecutionLog.objects.filter(job_id="quick", status=Status.SUCCESS)[0]
    assert run.result == {"text": "hi"}
    assert "quick says hi" in run.log
    queued.refresh_from_db()
    assert queued.error_message == "this job is broken"
    assert 'raise RuntimeError("this job is broken")' in queued.traceback


def test_it_tells_a_channel_of_a_schedule_that_fails(
    url: str, tmp_path: Path, receiver: Receiver
) -> None:
    JobConfigFactory(job_id="broken", job_name="Broken", cron_expression="0 18 * * *")
    ExecutionLogFactory(
        job_id="broken", status=Status.FAILED, scheduled_for=timezone.now(), error_message="no disk"
    )
    team = channel(receiver.address)
    channel(receiver.url, name="watcher", kind="heartbeat")
    with SchedulerUnderTest(url, tmp_path / "log"):
        assert eventually(lambda: len(receiver.messages) == 1, seconds=20)
        assert eventually(lambda: len(receiver.pings) == 1, seconds=5)
        assert eventually(
            lambda: Notification.objects.get(channel=team).state == Delivery.SENT, seconds=5
        )
    assert receiver.messages[0]["title"] == "StockSync: Broken fails"
    assert "no disk" in receiver.messages[0]["message"]
    assert SECRET not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_at_a_signal_and_runs_end_at_their_checkpoint(
    url: str, tmp_path: Path, number: signal.Signals
) -> None:
    ExecutionLogFactory(queued=True, job_id="endless")
    with SchedulerUnderTest(url, tmp_path / "log") as scheduler:
        assert eventually(lambda: statuses("endless") == ["RUNNING"], seconds=20)
        scheduler.send(number)
        assert scheduler.exit_code(10) == 0
    cut = ExecutionLog.objects.get(job_id="endless")
    assert (cut.status, cut.error_message) == (Status.CANCELLED, "the scheduler was stopped")
    assert not SchedulerProcess.objects.filter(stopped_at=None).exists()


def test_a_run_cut_off_by_a_kill_is_closed_by_the_next_process(url: str, tmp_path: Path) -> None:
    ExecutionLogFactory(queued=True, job_id="deaf")
    with SchedulerUnderTest(url, tmp_path / "first") as first:
        assert eventually(lambda: statuses("deaf") == ["RUNNING"], seconds=20)
        first.send(signal.SIGKILL)
        first.exit_code()
        with SchedulerUnderTest(url, tmp_path / "second"):
            assert eventually(lambda: statuses("deaf") == ["FAILED"], seconds=20)
        reason = ExecutionLog.objects.get(job_id="deaf").error_message
        assert f":{first.pid} stopped responding at " in reason


def between_slots() -> bool:
    """Whether the run of this second is over, and that of the next is not about to start."""
    return (
        0.3 < time.time() % 1 < 0.6
        and not ExecutionLog.objects.filter(status=Status.RUNNING).exists()
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_another_process_takes_over_within_five_seconds(
    url: str, tmp_path: Path, number: signal.Signals
) -> None:
    JobConfigFactory(interval=True, job_id="quick", interval_seconds=1)
    with SchedulerUnderTest(url, tmp_path / "one") as one:
        assert one.says("action=ready")
        with SchedulerUnderTest(url, tmp_path / "two") as two:
            assert two.says("action=stand_by")
            assert scheduler_status().standbys == [ProcessName(socket.gethostname(), two.pid)]
            # A run that it cuts off would hold its job back until its process counts as dead.
            assert eventually(between_slots)
            one.send(number)
            began = time.monotonic()
            assert two.says("action=start job_id=quick", seconds=10)
            assert time.monotonic() - began < 5
            assert scheduler_status().active == ProcessName(socket.gethostname(), two.pid)
            if number == signal.SIGSTOP:
                started = one.log.count("action=start")
                one.send(signal.SIGCONT)
                assert one.says("action=lease_lost")
                assert one.says("action=stand_by")
                assert one.log.count("action=start") == started
    slots = list(
        ExecutionLog.objects.filter(job_id="quick", attempt=1).values_list("scheduled_for")
    )
    assert len(set(slots)) == len(slots)


def test_a_leader_that_is_cut_off_from_the_database_is_followed_within_five_seconds(
    url: str, tmp_path: Path
) -> None:
    JobConfigFactory(interval=True, job_id="quick", interval_seconds=1)
    with StallingProxy() as proxy:
        of = connection.settings_dict
        through = f"postgresql://{of['USER']}@127.0.0.1:{proxy.port}/{of['NAME']}"
        with SchedulerUnderTest(through, tmp_path / "one") as one:
            assert one.says("action=ready", 60)
            with SchedulerUnderTest(url, tmp_path / "two") as two:
                assert two.says("action=stand_by", 60)
                proxy.stall()
                began = time.monotonic()
                assert two.says("action=start job_id=quick")
                assert time.monotonic() - began < 5
                started = one.log.count("action=start")
                proxy.go_on()
                assert one.says("action=lease_lost", 60)
                assert one.log.count("action=start") == started
    slots = ExecutionLog.objects.filter(job_id="quick", attempt=1).values_list("scheduled_for")
    assert len(set(slots)) == len(slots)


def test_a_stop_hands_over_at_once(url: str, tmp_path: Path) -> None:
    JobConfigFactory(interval=True, job_id="quick", interval_seconds=1)
    with SchedulerUnderTest(url, tmp_path / "one") as one:
        assert one.says("action=ready")
        with SchedulerUnderTest(url, tmp_path / "two") as two:
            assert two.says("action=stand_by")
            one.send(signal.SIGTERM)
            began = time.monotonic()
            assert two.says("action=ready")
            assert time.monotonic() - began < 1
            assert one.exit_code() == 0


def test_a_process_whose_loop_is_dead_ends_non_zero(url: str, tmp_path: Path) -> None:
    ExecutionLogFactory(queued=True, job_id="kills_the_loop")
    with SchedulerUnderTest(url, tmp_path / "log") as scheduler:
        assert scheduler.says("action=start job_id=kills_the_loop")
        assert scheduler.exit_code(10) == 1
        assert "action=watchdog: APScheduler's loop is dead" in scheduler.log


def test_what_was_scheduled_and_stopped_stays_so_after_a_restart(url: str, tmp_path: Path) -> None:
    JobConfigFactory(job_id="quick", cron_expression="0 18 * * *")
    stopped = JobConfigFactory(job_id="endless")
    with SchedulerUnderTest(url, tmp_path / "first") as first:
        assert first.says("action=ready")
        JobConfig.objects.filter(pk=stopped.pk).update(enabled=False)
        assert first.says("action=unload job_id=endless")
        first.send(signal.SIGTERM)
        assert first.exit_code() == 0
    with SchedulerUnderTest(url, tmp_path / "second") as second:
        assert second.says("action=ready")
        assert eventually(lambda: [run["job_id"] for run in scheduler_status().next_runs])
    assert [run["job_id"] for run in scheduler_status().next_runs] == ["quick"]


def test_an_edit_in_the_admin_is_applied_within_two_seconds_and_the_person_told(
    url: str, tmp_path: Path
) -> None:
    config = JobConfigFactory(job_id="quick", cron_expression="0 18 * * *")
    staff = Client()
    staff.force_login(User.objects.create_superuser("boss"))
    form = {
        "job_name": "Quick",
        "enabled": "on",
        "trigger": "cron",
        "cron_expression": "30 9 * * 1-5",
        "interval_seconds": "",
        "timezone": "Asia/Shanghai",
        "job_kwargs": "{}",
    }
    # The web knows the job as the scheduler's process does.
    with registered("quick"), SchedulerUnderTest(url, tmp_path / "log") as scheduler:
        assert scheduler.says("action=ready")
        assert eventually(lambda: scheduler_status().next_runs)
        page = f"/admin/scheduler_app/jobconfig/{config.pk}/change/"
        # Whoever edits has opened the page; the web imported all its pages before that.
        assert staff.get(page).status_code == 200

        began = time.monotonic()
        answer = staff.post(page, form)
        took = time.monotonic() - began

        assert answer.status_code == 302
        (_saved, told) = [str(message) for message in get_messages(answer.wsgi_request)]
        assert told.startswith("Applied by the running scheduler (")
        assert f":{scheduler.pid})" in told
        (next_run,) = scheduler_status().next_runs
    assert next_run["at"].endswith("T09:30:00+08:00")
    assert took < 2
