"""The service loads rows, follows edits, and outlives whatever the database does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import get_language
from django_apscheduler.models import DjangoJob
from pytest_django import Settings

from scheduler_app import configs, frozen, pauses, recovery
from scheduler_app.cron import IntervalTrigger
from scheduler_app.errors import RunCancelled
from scheduler_app.health import scheduler_status
from scheduler_app.leadership import Leadership
from scheduler_app.models import (
    Cause,
    ExecutionLog,
    JobConfig,
    SchedulerLease,
    SchedulerProcess,
    Status,
)
from scheduler_app.processes import ProcessRow
from scheduler_app.registry import JobRegistry
from scheduler_app.run import Run
from scheduler_app.service import SchedulerService
from scheduler_app.term import Term
from scheduler_app.watchdog import Watchdog
from scheduler_app.work import Queued, Work
from tests.factories import (
    ExecutionLogFactory,
    JobConfigFactory,
    LeaseFactory,
    SchedulerProcessFactory,
)
from tests.waiting import eventually

ROUNDS = ("reconcile loop", "closer", "notifier")
ENABLED = "scheduler_app.managers.JobConfigManager.get_all_enabled"


@pytest.fixture
def no_seeds(db: None) -> None:
    JobConfig.objects.all().delete()


@contextmanager
def serving(jobs: JobRegistry, *, stop_seconds: float = 5) -> Iterator[SchedulerService]:
    service = SchedulerService(jobs, threads=3)
    service.start()
    try:
        yield service
    finally:
        service.stop(stop_seconds)


def statuses(job_id: str) -> list[str]:
    rows = ExecutionLog.objects.filter(job_id=job_id).order_by("scheduled_for")
    return list(rows.values_list("status", flat=True))


def loop_lives(service: SchedulerService) -> bool:
    loop = getattr(service.scheduler, "_thread", None)
    return loop is not None and loop.is_alive()


@pytest.mark.usefixtures("no_seeds")
class TestLoadPersistedJobs:
    def test_it_loads_enabled_rows_from_the_database(self, jobs: JobRegistry) -> None:
        JobConfigFactory(job_id="copy_files", cron_expression="0 18 * * 1-5")
        JobConfigFactory(job_id="fails", enabled=False)
        service = SchedulerService(jobs)
        assert service.load_persisted_jobs() == ["copy_files"]
        (job,) = service.scheduler.get_jobs()
        assert job.next_run_time > timezone.now()

    def test_it_matches_rows_to_the_registry_it_is_given(self, jobs: JobRegistry) -> None:
        JobConfigFactory(job_id="copy_files")
        assert SchedulerService(JobRegistry()).load_persisted_jobs(jobs) == ["copy_files"]

    def test_it_skips_an_unknown_job_with_a_warning(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        JobConfigFactory(job_id="gone")
        JobConfigFactory(job_id="copy_files")
        assert SchedulerService(jobs).load_persisted_jobs() == ["copy_files"]
        (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "job_id=gone: no such job" in warning.getMessage()

    @pytest.mark.parametrize(
        "broken", [{"cron_expression": "0 0 31 2 *"}, {"timezone": "Mars/Base"}]
    )
    def test_a_row_that_cannot_fire_does_not_stop_the_others(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture, broken: dict[str, str]
    ) -> None:
        JobConfigFactory(job_id="copy_files", **broken)
        JobConfigFactory(job_id="fails")
        assert SchedulerService(jobs).load_persisted_jobs() == ["fails"]
        loud = [record.levelname for record in caplog.records if record.levelname != "INFO"]
        assert loud == ["ERROR"]

    def test_an_unreachable_database_is_an_error_and_nothing_is_raised(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        with patch(ENABLED, side_effect=OperationalError("connection refused")):
            assert SchedulerService(jobs).load_persisted_jobs() == []
        (error,) = caplog.records
        assert error.levelname == "ERROR"
        assert "connection refused" in error.getMessage()

    def test_an_edit_reschedules_that_job_alone(self, jobs: JobRegistry) -> None:
        JobConfigFactory(job_id="copy_files", cron_expression="0 18 * * *")
        JobConfigFactory(job_id="fails")
        service = SchedulerService(jobs)
        service.load_persisted_jobs()
        untouched = service.scheduler.get_job("fails")
        JobConfig.objects.filter(job_id="copy_files").update(cron_expression="0 19 * * *")
        service.load_persisted_jobs()
        job = service.scheduler.get_job("copy_files")
        assert job.next_run_time.astimezone(UTC).hour == 11
        assert service.scheduler.get_job("fails") is untouched

    def test_a_disabled_row_is_removed(self, jobs: JobRegistry) -> None:
        JobConfigFactory(job_id="copy_files")
        service = SchedulerService(jobs)
        service.load_persisted_jobs()
        configs.stop("copy_files", jobs=jobs)
        assert service.load_persisted_jobs() == []
        assert service.scheduler.get_jobs() == []


@pytest.mark.django_db
class TestHandOverQueued:
    def handed_over(self) -> list[Work]:
        works: list[Work] = []
        Term(ProcessRow(), works.append)._hand_over_queued()
        return works

    def test_a_thousand_runs_of_one_job_do_not_starve_another(self) -> None:
        many = ExecutionLog.objects.bulk_create(
            ExecutionLogFactory.build(queued=True, job_id="copy_files", attempt=attempt)
            for attempt in range(1, 1002)
        )
        other = ExecutionLogFactory(queued=True, job_id="fails")
        assert self.handed_over() == [
            Queued("copy_files", many[0].pk),
            Queued("fails", other.pk),
        ]

    def test_a_follow_up_waits_for_its_moment(self) -> None:
        moment = timezone.now() + timedelta(hours=1)
        parked = ExecutionLogFactory(job_id="copy_files")
        follow_up = ExecutionLog.objects.queue_follow_up(parked.pk, moment)
        with patch.object(timezone, "now", return_value=moment - timedelta(seconds=1)):
            assert self.handed_over() == []
        with patch.object(timezone, "now", return_value=moment + timedelta(seconds=1)):
            assert self.handed_over() == [Queued("copy_files", follow_up.pk)]


def writing(cursor: CursorWrapper) -> CursorWrapper:
    """In a transaction that has changed something, as a run that stores a cell."""
    cursor.execute("BEGIN")
    cursor.execute("SELECT pg_current_xact_id()")
    return cursor


def is_there(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend])
        return cursor.fetchone() is not None


def half_an_hour_ago() -> datetime:
    """The latest slot of an hourly schedule: whatever the hour, no test is there when the next comes."""
    return (timezone.now() - timedelta(minutes=30)).replace(second=0, microsecond=0)


@pytest.mark.django_db(transaction=True)
class TestService:
    def test_it_fires_an_interval_at_its_anchored_slots(self, jobs: JobRegistry) -> None:
        JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        with serving(jobs):
            assert eventually(lambda: statuses("copy_files").count("SUCCESS") >= 2)
        slots = ExecutionLog.objects.values_list("scheduled_for", flat=True)
        assert all(slot.microsecond == 0 for slot in slots)
        assert len(set(slots)) == len(slots)

    def test_it_applies_an_edit_of_another_process_within_two_seconds(
        self, jobs: JobRegistry
    ) -> None:
        JobConfigFactory(job_id="copy_files", cron_expression="0 18 * * *")
        with serving(jobs):
            assert eventually(lambda: scheduler_status().next_runs)
            JobConfig.objects.filter(job_id="copy_files").update(cron_expression="30 19 * * *")

            def applied() -> bool:
                status = scheduler_status()
                return status.revision_applied == status.revision_wanted

            assert eventually(applied, seconds=2)
            assert scheduler_status().next_runs[0]["at"].endswith("19:30:00+08:00")
            assert DjangoJob.objects.get(id="copy_files").next_run_time.hour == 11

    def test_it_runs_what_was_queued(self, jobs: JobRegistry) -> None:
        with serving(jobs):
            configs.queue_run("copy_files", Cause.API, jobs=jobs)
            assert eventually(lambda: statuses("copy_files") == ["SUCCESS"], seconds=3)

    def test_a_run_that_parks_itself_goes_on_at_its_moment(self, jobs: JobRegistry) -> None:
        runs: list[tuple[str, object]] = []

        @jobs.register("parks", name="Parks")
        def parks(run: Run, days: int = 0) -> None:
            runs.append((run.caused_by, days))
            if run.caused_by != Cause.FOLLOW_UP:
                run.follow_up(timezone.now() + timedelta(seconds=1))
                raise RunCancelled("the quota is spent")

        with serving(jobs):
            configs.queue_run("parks", Cause.API, job_kwargs={"days": 3}, jobs=jobs)
            assert eventually(lambda: statuses("parks") == ["CANCELLED", "SUCCESS"], seconds=5)
        assert runs == [(Cause.API, 3), (Cause.FOLLOW_UP, 3)]
        follow_up = ExecutionLog.objects.get(job_id="parks", caused_by=Cause.FOLLOW_UP)
        assert follow_up.started_at is not None
        assert follow_up.started_at >= follow_up.scheduled_for

    def test_after_a_stop_the_latest_missed_slot_runs_and_the_others_leave_rows(
        self, jobs: JobRegistry
    ) -> None:
        slot = half_an_hour_ago()
        config = JobConfigFactory(job_id="copy_files", cron_expression=f"{slot.minute} * * * *")
        JobConfig.objects.filter(pk=config.pk).update(
            schedule_since=slot - timedelta(days=9), last_slot=slot - timedelta(hours=3)
        )
        with serving(jobs):
            assert eventually(lambda: statuses("copy_files") == ["MISSED", "MISSED", "SUCCESS"])
        run = ExecutionLog.objects.get(status=Status.SUCCESS)
        assert (run.scheduled_for, run.caused_by) == (slot, Cause.CATCH_UP)
        reasons = ExecutionLog.objects.filter(status=Status.MISSED).values_list("error_message")
        assert set(reasons) == {("no scheduler was running",)}

    def test_a_day_of_missed_seconds_leaves_one_row(self, jobs: JobRegistry) -> None:
        config = JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        yesterday = timezone.now() - timedelta(days=1)
        JobConfig.objects.filter(pk=config.pk).update(schedule_since=yesterday)
        with serving(jobs):
            assert eventually(lambda: "SUCCESS" in statuses("copy_files"))
        missed = ExecutionLog.objects.get(status=Status.MISSED)
        assert missed.error_message.startswith("86,")
        assert ExecutionLog.objects.filter(caused_by=Cause.CATCH_UP).count() == 1

    def test_an_edit_or_a_new_row_misses_nothing(self, jobs: JobRegistry) -> None:
        config = JobConfigFactory(job_id="copy_files", cron_expression="0 18 * * *")
        JobConfig.objects.filter(pk=config.pk).update(last_slot=timezone.now() - timedelta(days=2))
        JobConfig.objects.filter(pk=config.pk).update(
            cron_expression=f"{half_an_hour_ago().minute} * * * *"
        )
        with serving(jobs):
            assert eventually(lambda: scheduler_status().next_runs)
        assert statuses("copy_files") == []

    def test_a_run_of_a_dead_process_is_closed_before_the_catch_up(self, jobs: JobRegistry) -> None:
        slot = half_an_hour_ago()
        config = JobConfigFactory(job_id="copy_files", cron_expression=f"{slot.minute} * * * *")
        JobConfig.objects.filter(pk=config.pk).update(schedule_since=slot - timedelta(hours=1))
        dead = SchedulerProcessFactory(heartbeat_at=timezone.now() - timedelta(seconds=7))
        ExecutionLogFactory(
            running=True, job_id="copy_files", scheduled_for=slot - timedelta(1), process=dead
        )
        with serving(jobs):
            assert eventually(lambda: statuses("copy_files")[-1] == "SUCCESS")
        assert statuses("copy_files") == ["FAILED", "SUCCESS"]

    def test_threads_that_ask_the_database_nothing_do_not_say_that_it_is_back(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        gone = OperationalError("gone")
        caplog.set_level(logging.WARNING)
        with (
            patch.object(ProcessRow, "beat", side_effect=gone),
            patch.object(recovery, "close_abandoned", side_effect=gone),
            serving(jobs) as service,
        ):
            assert eventually(lambda: all(service._rounds[name] > 2 for name in ROUNDS))
            said = [m for m in caplog.messages if m.startswith("action=database_")]
        assert [message.split(":")[0] for message in said] == ["action=database_away"]

    def test_a_standby_closes_the_runs_of_the_dead_while_nobody_leads_yet(
        self, jobs: JobRegistry
    ) -> None:
        LeaseFactory(expires_at=timezone.now() + timedelta(minutes=5))
        dead = SchedulerProcessFactory(heartbeat_at=timezone.now() - timedelta(seconds=9))
        ExecutionLogFactory(running=True, job_id="copy_files", process=dead)
        with serving(jobs) as service:
            assert eventually(lambda: statuses("copy_files") == ["FAILED"])
            assert service.leadership.fence is None

    def test_it_ends_the_database_session_of_a_process_that_froze_in_a_copy(
        self, jobs: JobRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(frozen, "SILENT_SECONDS", 0.0)
        other = connection.copy()
        try:
            with (
                pytest.raises(psycopg.OperationalError),
                other.cursor() as cursor,
                writing(cursor).copy("COPY scheduler_stop_request (reason) FROM STDIN") as copy,
            ):
                backend = cursor.connection.info.backend_pid
                with serving(jobs):
                    assert eventually(lambda: not is_there(backend))
                copy.write("too late\n")
        finally:
            other.close()

    def test_its_threads_write_english_whatever_it_speaks(
        self, jobs: JobRegistry, settings: Settings
    ) -> None:
        settings.LANGUAGE_CODE = "zh-hans"
        spoken = set[str | None]()

        def note(*args: object) -> list[int]:
            spoken.add(get_language())
            return []

        with patch.object(recovery, "close_abandoned", side_effect=note), serving(jobs):
            assert eventually(lambda: spoken)
        assert spoken == {"en"}

    def test_a_slot_that_finds_its_job_running_is_skipped(self, jobs: JobRegistry) -> None:
        release = threading.Event()

        @jobs.register("slow", name="Slow")
        def slow(run: Run) -> None:
            release.wait(10)

        JobConfigFactory(interval=True, job_id="slow", interval_seconds=1)
        with serving(jobs):
            assert eventually(lambda: "SKIPPED_OVERLAP" in statuses("slow"))
            release.set()
        assert statuses("slow").count("RUNNING") == 0

    def test_a_run_that_fails_is_tried_again_until_it_succeeds(self, jobs: JobRegistry) -> None:
        @jobs.register("stumbles", name="Stumbles")
        def stumbles(run: Run) -> None:
            if run.attempt < 3:
                raise RuntimeError("not yet")

        JobConfigFactory(job_id="stumbles", max_retries=2, retry_delay_seconds=0)
        with serving(jobs):
            configs.queue_run("stumbles", Cause.API, jobs=jobs)
            assert eventually(lambda: "SUCCESS" in statuses("stumbles"))
        rows = ExecutionLog.objects.filter(job_id="stumbles").order_by("attempt")
        assert list(rows.values_list("attempt", "status", "caused_by")) == [
            (1, "FAILED", "api"),
            (2, "FAILED", "retry"),
            (3, "SUCCESS", "retry"),
        ]
        assert len(set(rows.values_list("scheduled_for", flat=True))) == 1

    def test_a_slot_stops_the_run_under_way_and_runs_when_that_has_ended(
        self, jobs: JobRegistry
    ) -> None:
        @jobs.register("endless", name="Endless")
        def endless(run: Run) -> None:
            while not finished.wait(0.02):
                run.checkpoint()

        finished = threading.Event()
        JobConfigFactory(
            interval=True, job_id="endless", interval_seconds=1, overlap_policy="cancel_running"
        )
        with serving(jobs):
            assert eventually(lambda: {"CANCELLED", "RUNNING"} <= set(statuses("endless")))
            finished.set()
        first = ExecutionLog.objects.filter(job_id="endless").earliest("scheduled_for")
        assert first.error_message.endswith("came, and this schedule lets the newest run")

    def test_a_paused_schedule_starts_nothing_until_it_is_resumed(self, jobs: JobRegistry) -> None:
        JobConfigFactory(
            interval=True, job_id="copy_files", interval_seconds=1, paused_at=timezone.now()
        )
        with serving(jobs):
            assert eventually(lambda: len(statuses("copy_files")) >= 2)
            assert set(statuses("copy_files")) == {"SKIPPED_PAUSED"}
            pauses.resume("copy_files", by="ann", now=timezone.now())
            assert eventually(lambda: "SUCCESS" in statuses("copy_files"), seconds=3)

    def test_two_services_on_one_database_start_each_slot_once(self, jobs: JobRegistry) -> None:
        started: list[datetime] = []

        @jobs.register("counts", name="Counts")
        def counts(run: Run) -> None:
            started.append(run.scheduled_for)

        JobConfigFactory(interval=True, job_id="counts", interval_seconds=1)
        with serving(jobs), serving(jobs):
            assert eventually(lambda: len(started) >= 3)
        assert len(set(started)) == len(started)
        assert ExecutionLog.objects.filter(job_id="counts", attempt=1).count() == len(started)

    def test_a_standby_loads_nothing_until_the_leader_stops(self, jobs: JobRegistry) -> None:
        JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        with serving(jobs) as leader:
            assert eventually(lambda: leader.leadership.fence)
            with serving(jobs) as standby:
                assert eventually(lambda: scheduler_status().standbys)
                assert (standby.leadership.fence, standby.scheduler.running) == (None, False)
                leader.stop(5)
                assert eventually(lambda: standby.leadership.fence == 2, seconds=1)
                before = len(statuses("copy_files"))
                assert eventually(lambda: statuses("copy_files")[before:].count("SUCCESS") >= 1)
                assert not leader.scheduler.running

    def test_a_leader_that_lost_the_lease_stands_by_and_its_runs_go_on(
        self, jobs: JobRegistry
    ) -> None:
        release = threading.Event()

        @jobs.register("slow", name="Slow")
        def slow(run: Run) -> None:
            release.wait(10)
            run.checkpoint()

        JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        with serving(jobs) as service:
            configs.queue_run("slow", Cause.API, jobs=jobs)
            assert eventually(lambda: statuses("slow") == ["RUNNING"])
            other = Leadership(SchedulerProcessFactory().pk)
            SchedulerLease.objects.update(expires_at=Now() - timedelta(seconds=1))
            other.keep()
            assert eventually(lambda: not service.scheduler.running)
            release.set()
            assert eventually(lambda: statuses("slow") == ["SUCCESS"])
            assert service.leadership.fence is None

    def test_a_first_start_is_queued_once(self, jobs: JobRegistry) -> None:
        jobs.register("first", name="First", first_start=lambda: True)(lambda run: None)
        with serving(jobs):
            assert eventually(lambda: statuses("first") == ["SUCCESS"])
        assert ExecutionLog.objects.get(job_id="first").caused_by == Cause.FIRST_START

    def test_a_first_start_that_cannot_be_asked_stops_nothing(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken() -> bool:
            raise RuntimeError("no such table")

        jobs.register("broken", name="B", first_start=broken)(lambda run: None)
        jobs.register("first", name="F", first_start=lambda: True)(lambda run: None)
        with serving(jobs):
            assert eventually(lambda: statuses("first") == ["SUCCESS"])
        assert "action=first_start job_id=broken" in caplog.text

    def test_a_job_that_is_switched_off_has_no_first_start(self, jobs: JobRegistry) -> None:
        JobConfigFactory(job_id="off", enabled=False)
        jobs.register("off", name="Off", first_start=lambda: True)(lambda run: None)
        with serving(jobs):
            assert eventually(lambda: scheduler_status().is_alive)
        assert statuses("off") == []

    def test_a_run_that_does_not_end_is_cut_off_by_the_stop(self, jobs: JobRegistry) -> None:
        begun, release = threading.Event(), threading.Event()

        def deaf(run: Run) -> None:
            begun.set()
            release.wait(30)

        jobs.register("deaf", name="Deaf")(deaf)
        with serving(jobs, stop_seconds=0.2):
            configs.queue_run("deaf", Cause.API, jobs=jobs)
            # One that is claimed and has not begun is given back instead.
            assert begun.wait(20)
        cut = ExecutionLog.objects.get(job_id="deaf")
        release.set()
        assert (cut.status, cut.error_message) == (Status.CANCELLED, "the scheduler was stopped")
        assert cut.process is not None
        assert cut.process.stopped_at is not None

    def test_it_goes_on_when_the_server_cuts_every_connection(self, jobs: JobRegistry) -> None:
        JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        with serving(jobs) as service:
            assert eventually(lambda: "SUCCESS" in statuses("copy_files"))
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            before = len(statuses("copy_files"))
            assert eventually(lambda: statuses("copy_files")[before:].count("SUCCESS") >= 2)
            assert Watchdog(service.watched()).problem() == ""

    def test_a_row_whose_claim_fails_does_not_keep_the_others_from_starting(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        def has_slot(config: JobConfig, slot: datetime) -> bool:
            if config.job_id == "fails":
                raise ValueError("no such zone")
            return True

        JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        JobConfigFactory(interval=True, job_id="fails", interval_seconds=1)
        with (
            patch("scheduler_app.plain_claims.has_slot", has_slot),
            patch("scheduler_app.claims.has_slot", has_slot),
            serving(jobs),
        ):
            assert eventually(lambda: statuses("copy_files").count("SUCCESS") >= 2)
        assert statuses("fails") == []
        assert "action=claim job_id=fails failed" in caplog.text

    def test_what_waits_in_line_goes_on_as_soon_as_the_run_before_it_ends(
        self, jobs: JobRegistry
    ) -> None:
        with serving(jobs):
            assert eventually(lambda: scheduler_status().active)
            ExecutionLog.objects.bulk_create(
                ExecutionLogFactory.build(queued=True, job_id="copy_files", attempt=attempt)
                for attempt in range(1, 11)
            )
            assert eventually(lambda: statuses("copy_files") == ["SUCCESS"] * 10, seconds=5)

    def test_a_run_that_ended_keeps_no_thread_until_it_is_closed(self, jobs: JobRegistry) -> None:
        held, ran = threading.Event(), []
        for job_id in ("first", "second"):
            jobs.register(job_id, name=job_id)(lambda run: ran.append(run.job_id))
        service = SchedulerService(jobs, threads=1)
        work = service._closings.work
        with patch.object(service._closings, "work", lambda: held.wait(10) and work()):
            service.start()
            try:
                assert eventually(lambda: service.leadership.fence)
                for job_id in ("first", "second"):
                    configs.queue_run(job_id, Cause.API, jobs=jobs)
                assert eventually(lambda: len(ran) == 2, seconds=5)
                assert statuses("first") == statuses("second") == ["RUNNING"]
            finally:
                held.set()
                service.stop(5)
        assert statuses("first") == statuses("second") == ["SUCCESS"]

    def test_what_is_claimed_and_not_started_is_given_back_by_a_stop(
        self, jobs: JobRegistry
    ) -> None:
        jobs.register("slow", name="Slow")(lambda run: {"stopped": run.stop.wait(10)})
        service = SchedulerService(jobs, threads=1)
        service.start()
        assert eventually(lambda: service.leadership.fence)
        configs.queue_run("slow", Cause.API, jobs=jobs)
        assert eventually(lambda: statuses("slow") == ["RUNNING"])
        unstarted = ExecutionLogFactory(
            running=True, process_id=service.process.id, job_id="fails", fence=1
        )
        service._dispatcher._claimed.append(unstarted)
        service.stop(5)
        unstarted.refresh_from_db()
        given = (unstarted.status, unstarted.process_id, unstarted.fence, unstarted.started_at)
        assert given == (Status.QUEUED, None, None, None)

    def test_a_claim_whose_answer_was_lost_runs_even_when_the_lease_is_lost_too(
        self, jobs: JobRegistry
    ) -> None:
        LeaseFactory(expires_at=timezone.now() + timedelta(minutes=5))
        service = SchedulerService(jobs, threads=1)
        service._look_for_unheard_at = time.monotonic() + 1
        service.start()
        try:
            assert eventually(lambda: SchedulerProcess.objects.filter(pk=service.process.id))
            ExecutionLogFactory(
                running=True,
                job_id="copy_files",
                process_id=service.process.id,
                fence=1,
                started_at=timezone.now() - timedelta(seconds=4),
            )
            assert eventually(lambda: statuses("copy_files") == ["SUCCESS"], seconds=5)
            assert service.leadership.fence is None
        finally:
            service.stop(5)

    def test_the_watchdog_sees_a_dead_loop(self, jobs: JobRegistry) -> None:
        with serving(jobs) as service:
            watchdog = Watchdog(service.watched())
            assert watchdog.problem() == ""
            assert eventually(lambda: loop_lives(service))
            with patch.object(service.scheduler._thread, "is_alive", return_value=False):
                assert watchdog.problem() == "APScheduler's loop is dead"

    def test_the_watchdog_sees_a_loop_that_waits_for_ever(self, jobs: JobRegistry) -> None:
        with serving(jobs) as service:
            assert eventually(lambda: loop_lives(service))
            watchdog = Watchdog(service.watched())
            with service.scheduler._jobstores_lock:
                # What it looks at every half second, without the waiting.
                found = {watchdog.problem() for _ in range(25)}
        assert found == {"", "APScheduler's loop is stuck"}

    def test_the_loop_goes_on_when_a_listener_or_a_trigger_fails(
        self, jobs: JobRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        def listener(event: object) -> None:
            raise RuntimeError("a listener that fails")

        JobConfigFactory(interval=True, job_id="copy_files", interval_seconds=1)
        with serving(jobs) as service:
            assert eventually(lambda: service.scheduler.get_job("copy_files"))
            service.scheduler.add_listener(listener)
            trigger = IntervalTrigger(1)
            with patch.object(trigger, "slots", side_effect=ArithmeticError("no such day")):
                now = timezone.now()
                service.scheduler.add_job(print, trigger, id="odd", next_run_time=now)
                assert eventually(lambda: service.scheduler.get_job("odd") is None)
            before = len(statuses("copy_files"))
            assert eventually(lambda: len(statuses("copy_files")) > before)
            assert Watchdog(service.watched()).problem() == ""
        assert "a listener that fails" in caplog.text
        assert "no such day" in caplog.text
