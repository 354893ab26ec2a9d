"""Sessions whose client froze in the middle of a statement are ended, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from django.db import connection, transaction

from scheduler_app.frozen import ASLEEP_SECONDS, LOOK_SECONDS, SILENT_SECONDS, FrozenSessions
from scheduler_app.models import JobConfig
from tests.factories import JobConfigFactory
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

COPY = "COPY scheduler_stop_request (reason) FROM STDIN"
LOOKS = range(int(SILENT_SECONDS / LOOK_SECONDS) + 2)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> FrozenSessions:
    return FrozenSessions(clock)


@contextmanager
def other_session() -> Iterator[psycopg.Connection]:
    """A session of another process, which may be ended under it."""
    wrapper = connection.copy()
    try:
        wrapper.ensure_connection()
        with wrapper.cursor() as cursor:
            cursor.execute("BEGIN")
        yield wrapper.connection
    finally:
        wrapper.close()


def look_for_long(sessions: FrozenSessions, clock: Clock) -> None:
    for _ in LOOKS:
        sessions.look()
        clock.seconds += LOOK_SECONDS


def test_one_that_froze_in_a_copy_is_ended_and_lets_go_of_its_locks(
    sessions: FrozenSessions, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    JobConfigFactory(job_id="locked")
    with other_session() as frozen:
        frozen.execute("SELECT 1 FROM scheduler_job_config FOR SHARE")
        with pytest.raises(psycopg.OperationalError), frozen.cursor().copy(COPY) as copy:
            look_for_long(sessions, clock)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '10s'")
                assert JobConfig.objects.filter(job_id="locked").update(job_name="free") == 1
            copy.write("too late\n")
    assert "action=end_frozen" in caplog.text


def test_one_that_froze_while_it_took_a_result_is_ended(
    sessions: FrozenSessions, clock: Clock
) -> None:
    with other_session() as frozen:
        frozen.execute("SELECT pg_current_xact_id()")
        # More than the sockets of both ends hold.
        frozen.pgconn.send_query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
        waits_for("ClientWrite")
        look_for_long(sessions, clock)
        waits_for(None)


def test_a_copy_that_goes_on_is_left_alone(sessions: FrozenSessions, clock: Clock) -> None:
    with other_session() as busy:
        busy.execute("CREATE TEMP TABLE arriving (line text) ON COMMIT DROP")
        with busy.cursor().copy("COPY arriving FROM STDIN") as copy:
            for _ in LOOKS:
                before = received()
                copy.write(b"x" * 1_000_000)
                assert eventually(partial(has_received_more_than, before))
                waits_for("ClientRead")
                sessions.look()
                clock.seconds += LOOK_SECONDS
        assert busy.execute("SELECT count(*) FROM arriving").fetchone() == (1,)
        busy.rollback()


def test_a_reader_that_takes_its_time_is_left_alone(sessions: FrozenSessions, clock: Clock) -> None:
    with other_session() as reader:
        with reader.cursor().copy(
            "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT"
        ) as copy:
            copy.read()
            waits_for("ClientWrite")
            look_for_long(sessions, clock)
            assert sum(1 for _ in copy) > 0
        reader.rollback()


def test_who_was_frozen_himself_judges_nobody_by_it(sessions: FrozenSessions, clock: Clock) -> None:
    with other_session() as other:
        with other.cursor().copy(COPY):
            sessions.look()
            clock.seconds += ASLEEP_SECONDS + SILENT_SECONDS
            sessions.look()
        other.rollback()


def waits_for(event: str | None) -> None:
    """The other session comes to wait for its client like this; None: it is gone."""
    assert eventually(lambda: waiting() == event)


def waiting() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'active' AND pid <> pg_backend_pid()"
        )
        found = cursor.fetchone()
    return None if found is None else str(found[0])


def has_received_more_than(size: int) -> bool:
    return received() > size


def received() -> int:
    """How many bytes the server took of the COPY that is under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT bytes_processed FROM pg_stat_progress_copy")
        found = cursor.fetchone()
    return 0 if found is None else int(found[0])
