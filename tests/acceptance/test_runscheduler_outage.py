"""PostgreSQL is stopped and started under a running scheduler: the process stays and recovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.own_postgres import OwnPostgres, own_postgres
from tests.acceptance.runscheduler import SchedulerUnderTest
from tests.waiting import eventually

# Their database is filled from the one that this mark brings up.
pytestmark = [pytest.mark.acceptance, pytest.mark.django_db]

SCHEDULE = """
    INSERT INTO scheduler_job_config (job_id, job_name, trigger, cron_expression,
        interval_seconds, timezone, enabled, job_kwargs, created_at, updated_at)
    VALUES ('quick', '', 'interval', '', 1, 'UTC', true, '{}', now(), now())
"""
QUEUE = """
    INSERT INTO scheduler_execution_log (job_id, scheduled_for, attempt, status, caused_by,
        triggered_by, job_kwargs, created_at, error_message, traceback, log)
    VALUES ('deaf', now(), 1, 'QUEUED', 'api', '', '{"seconds": 2}', now(), '', '', '')
"""
SUCCESSES = "SELECT id FROM scheduler_execution_log WHERE job_id = 'quick' AND status = 'SUCCESS'"
DEAF_ID = "SELECT id FROM scheduler_execution_log WHERE job_id = 'deaf'"
DEAF = "SELECT status FROM scheduler_execution_log WHERE job_id = 'deaf'"


@pytest.fixture(scope="module")
def postgres(django_db_setup: None) -> Iterator[OwnPostgres]:
    with own_postgres() as own:
        own.ask(SCHEDULE)
        yield own


def test_it_outlives_a_stop_of_the_database(postgres: OwnPostgres, tmp_path: Path) -> None:
    with SchedulerUnderTest(postgres.url, tmp_path / "log") as scheduler:
        assert eventually(lambda: postgres.ask(SUCCESSES), seconds=20)
        postgres.ask(QUEUE)
        assert eventually(lambda: postgres.ask(DEAF) == [("RUNNING",)])

        [(execution,)] = postgres.ask(DEAF_ID)
        postgres.stop()
        assert scheduler.says("action=database_away")
        # The run ends while there is no database to tell.
        assert scheduler.says(f"action=done job_id=deaf execution={execution}")
        assert scheduler.says(f"action=close executions={execution}: repeated until it lands")
        postgres.start()

        assert scheduler.says("action=database_back")
        before = len(postgres.ask(SUCCESSES))
        assert eventually(lambda: len(postgres.ask(SUCCESSES)) >= before + 2)
        assert eventually(lambda: postgres.ask(DEAF) == [("SUCCESS",)])
        assert scheduler.lives
        # Told once per outage; a server that is still starting up may be one more.
        assert scheduler.log.count("action=database_away") == scheduler.log.count(
            "action=database_back"
        )


def test_it_starts_without_a_database_and_loads_once_there_is_one(
    postgres: OwnPostgres, tmp_path: Path
) -> None:
    postgres.stop()
    with SchedulerUnderTest(postgres.url, tmp_path / "log") as scheduler:
        said = scheduler.says("ERROR   scheduler_app.outage: action=database_away")
        loaded = "action=ready" in scheduler.log
        postgres.start()
        assert (said, loaded, scheduler.lives) == (True, False, True)
        assert scheduler.says("action=ready")
        before = len(postgres.ask(SUCCESSES))
        assert eventually(lambda: len(postgres.ask(SUCCESSES)) > before)
