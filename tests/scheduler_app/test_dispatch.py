"""How much is claimed at once: what threads are free to run, or will be in a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from scheduler_app.backlog import GRACE, Backlog
from scheduler_app.dispatch import SOON_SECONDS, Dispatcher
from scheduler_app.models import ExecutionLog
from scheduler_app.outage import Outage
from scheduler_app.runner import Runner
from scheduler_app.work import DueSlots, Work
from tests.waiting import eventually

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
    ("busy", "ended", "claimed", "room"),
    [
        (0, 0, 0, 4),
        (3, 0, 0, 1),
        (3, 0, 1, 0),
        # As many as ended just now will have ended soon.
        (3, 20, 0, 20),
        # A claim of a few while more than half of the last one waits would be one of many.
        (3, 20, 10, 10),
        (3, 20, 11, 0),
        # The runs that keep every thread busy may be long ones.
        (4, 20, 0, 0),
    ],
)
def test_the_room_is_what_could_start_about_now(
    dispatched: Dispatched, busy: int, ended: int, claimed: int, room: int
) -> None:
    dispatcher = dispatched.dispatcher
    dispatcher._busy = busy
    dispatcher._ended.extend([time.monotonic() - SOON_SECONDS * 2] * 5)
    dispatcher._ended.extend([time.monotonic() + 60] * ended)
    dispatcher._claimed.extend(ExecutionLog() for _ in range(claimed))
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
