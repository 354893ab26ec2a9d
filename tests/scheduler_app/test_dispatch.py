"""How much is claimed at once: what threads are free to run, or will be in a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import get_language
from pytest_django import Settings

from scheduler_app.backlog import GRACE, Backlog
from scheduler_app.dispatch import Dispatcher
from scheduler_app.models import ExecutionLog
from scheduler_app.outage import Outage
from scheduler_app.runner import Runner
from scheduler_app.work import DueSlots, Work
from tests.waiting import eventually

SHORT = 1 / 128
SLOT = datetime(2026, 3, 2, 10, tzinfo=UTC)


class Claims(Runner):
    """Gives every slot at once, asks no database, and notes what was asked for together."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    @property
    def given(self) -> int:
        return sum(map(len, self.asked))

    def claim_plain(self, works: Iterable[Work]) -> list[ExecutionLog]:
        self.asked.append([work.job_id for work in works])
        self.meanwhile()
        return [ExecutionLog(job_id=job_id, scheduled_for=SLOT) for job_id in self.asked[-1]]


class Dispatched:
    """A dispatcher whose runs last until they are released, one by one."""

    def __init__(self, threads: int) -> None:
        self.claims, self.ran = Claims(), list[str]()
        self.release = threading.Semaphore(0)
        self.dispatcher = Dispatcher(self.claims, Outage(), threads, start=self._start)

    def _start(self, execution: ExecutionLog, ended: Callable[[], None]) -> None:
        self.ran.append(execution.job_id)
        self.release.acquire()

    def put(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.dispatcher.put(
                DueSlots(f"job-{number}", Backlog.of([SLOT]), GRACE, "it was too late")
            )


@pytest.fixture
def dispatched() -> Iterator[Dispatched]:
    made = Dispatched(threads=4)
    yield made
    made.dispatcher.stop_taking()
    made.release.release(1000)
    assert made.dispatcher.wait(10)


def test_nothing_is_claimed_that_no_thread_is_free_to_run(dispatched: Dispatched) -> None:
    dispatched.put(1, 6)
    dispatched.dispatcher.start()
    assert eventually(lambda: len(dispatched.ran) == 4)
    assert dispatched.claims.given == 4
    dispatched.release.release()
    assert eventually(lambda: len(dispatched.ran) == 5)
    assert eventually(lambda: dispatched.claims.given == 5)
    dispatched.release.release(5)
    assert eventually(lambda: len(dispatched.ran) == 6)
    assert sorted(dispatched.ran) == [f"job-{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("busy", "lasted", "claimed", "room"),
    [
        (0, [], 0, 4),
        (3, [], 0, 1),
        (3, [], 1, 0),
        # In 0.3 s a thread gets through 38 of these.
        (3, [SHORT] * 64, 0, 38),
        (0, [SHORT] * 64, 0, 153),
        (0, [SHORT / 2] * 64, 0, 200),
        # A claim of a few while more than half of the last one waits would soon be one of many.
        (3, [SHORT] * 64, 19, 19),
        (3, [SHORT] * 64, 20, 0),
        (4, [SHORT] * 64, 0, 0),
        # One long run among many is no reason to claim one by one; three in ten are, and so is not
        # knowing many yet.
        (2, [SHORT] * 63 + [600], 0, 25),
        (0, [SHORT] * 44 + [600] * 20, 0, 4),
        (0, [SHORT] * 44, 0, 4),
    ],
)
def test_the_room_is_what_could_start_about_now(
    dispatched: Dispatched, busy: int, lasted: list[float], claimed: int, room: int
) -> None:
    dispatcher = dispatched.dispatcher
    for seconds in lasted:
        dispatcher._end_task(seconds)
    dispatcher._claimed.extend(ExecutionLog() for _ in range(claimed))
    dispatcher._busy = busy
    assert dispatcher._room() == room
    dispatcher._busy = 0


def test_what_comes_during_a_claim_takes_the_threads_that_are_left(dispatched: Dispatched) -> None:
    def three_more() -> None:
        dispatched.claims.meanwhile = lambda: None
        dispatched.put(4, 6)

    dispatched.claims.meanwhile = three_more
    dispatched.put(1, 3)
    dispatched.dispatcher.start()
    assert eventually(lambda: len(dispatched.ran) == 4)
    assert dispatched.claims.given == 4


@pytest.mark.django_db(transaction=True)
def test_who_claims_holds_no_connection_until_the_next_slot_hours_later(
    dispatched: Dispatched,
) -> None:
    used: list[BaseDatabaseWrapper] = []

    def use_it() -> None:
        connection.ensure_connection()
        used.append(connections[DEFAULT_DB_ALIAS])

    dispatched.claims.meanwhile = use_it
    dispatched.put(1, 1)
    dispatched.dispatcher.start()
    assert eventually(lambda: used and used[0].connection is None)


def test_what_is_written_of_slots_is_english_whatever_the_scheduler_speaks(
    dispatched: Dispatched, settings: Settings
) -> None:
    settings.LANGUAGE_CODE = "zh-hans"
    spoken = list[str | None]()
    dispatched.claims.meanwhile = lambda: spoken.append(get_language())
    dispatched.put(1, 1)
    dispatched.dispatcher.start()
    assert eventually(lambda: spoken == ["en"])
