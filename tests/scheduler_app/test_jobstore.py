"""APScheduler's loop asks memory; the database is told and never asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from django.db import connection
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scheduler_app.cron import IntervalTrigger
from scheduler_app.executor import HandOverExecutor
from scheduler_app.jobstore import MirrorJobStore
from scheduler_app.loader import handed_over


class Handed:
    """What the loop handed over, and a way to wait for it."""

    def __init__(self) -> None:
        self.slots: list[tuple[str, list[datetime]]] = []
        self.came = threading.Event()

    def __call__(self, job_id: str, slots: list[datetime]) -> None:
        self.slots.append((job_id, slots))
        self.came.set()


@pytest.fixture
def handed() -> Handed:
    return Handed()


@pytest.fixture
def scheduler(handed: Handed) -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(
        timezone=UTC,
        jobstores={"default": MirrorJobStore()},
        executors={"default": HandOverExecutor(handed)},
        job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 1},
    )
    scheduler.start()
    yield scheduler
    scheduler.shutdown(wait=False)


def add(scheduler: BackgroundScheduler, next_run: datetime, seconds: int = 3600) -> None:
    scheduler.add_job(
        handed_over, IntervalTrigger(seconds), id="one", next_run_time=next_run, name="One"
    )


def test_the_loop_fires_without_any_database(
    scheduler: BackgroundScheduler, handed: Handed
) -> None:
    # No database mark: a query of any thread here would raise.
    now = datetime.now(UTC)
    add(scheduler, now)
    assert handed.came.wait(5)
    assert handed.slots == [("one", [now])]


def test_a_job_that_came_due_many_times_hands_over_every_slot(
    scheduler: BackgroundScheduler, handed: Handed
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    add(scheduler, hour - timedelta(hours=9))
    assert handed.came.wait(5)
    assert [len(slots) for _job_id, slots in handed.slots] == [10]


def test_a_job_fires_again_however_many_of_it_run(
    scheduler: BackgroundScheduler, handed: Handed
) -> None:
    for _ in range(3):
        handed.came.clear()
        scheduler.add_job(
            handed_over,
            IntervalTrigger(3600),
            id="one",
            next_run_time=datetime.now(UTC),
            replace_existing=True,
        )
        assert handed.came.wait(5)
    assert len(handed.slots) == 3


@pytest.mark.django_db
def test_the_mirror_shows_what_is_loaded_and_nothing_else() -> None:
    store = MirrorJobStore()
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    store.write({"one": at, "two": at})
    store.write({"two": at + timedelta(days=1), "three": at})
    shown = {job.id: job.next_run_time for job in DjangoJob.objects.all()}
    assert shown == {"two": at + timedelta(days=1), "three": at}


@pytest.mark.django_db
def test_a_row_that_still_says_so_is_not_written_again() -> None:
    store = MirrorJobStore()
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    store.write({"one": at, "two": at})

    def versions() -> dict[str, str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, ctid::text FROM django_apscheduler_djangojob")
            return dict(cursor.fetchall())

    before = versions()
    store.write({"one": at, "two": at + timedelta(days=1)})
    after = versions()
    assert (after["one"] == before["one"], after["two"] == before["two"]) == (True, False)


@pytest.mark.django_db
def test_a_row_that_cannot_be_unpickled_is_not_read_and_not_deleted() -> None:
    DjangoJob.objects.create(id="old", next_run_time=datetime.now(UTC), job_state=b"broken")
    history = DjangoJobExecution.objects.create(
        job_id="old", status="Executed", run_time=datetime.now(UTC)
    )
    scheduler = BackgroundScheduler(timezone=UTC, jobstores={"default": MirrorJobStore()})
    scheduler.start(paused=True)
    assert scheduler.get_jobs() == []
    scheduler.shutdown(wait=False)
    assert DjangoJobExecution.objects.filter(pk=history.pk).exists()
