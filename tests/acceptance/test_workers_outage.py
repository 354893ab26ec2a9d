"""What is on its way to a worker is not lost, and PostgreSQL may be stopped and started under one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.own_postgres import OwnPostgres, own_postgres
from tests.acceptance.runscheduler import SchedulerUnderTest, WorkerUnderTest, manage
from tests.acceptance.worker_tables import WORKERS
from tests.waiting import eventually

# Their database is filled from the one that this mark brings up.
pytestmark = [pytest.mark.acceptance, pytest.mark.django_db]

QUEUE = """
    INSERT INTO scheduler_execution_log (job_id, scheduled_for, attempt, status, caused_by,
        triggered_by, job_kwargs, created_at, error_message, traceback, log)
    VALUES ('%s', now(), 1, 'QUEUED', 'api', '', '%s', now(), '', '', '')
"""
# Three ways to get lost: with a worker that was killed; in an answer to a worker that lives; for good.
LOSE = """
    INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour'), ('infinity');
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = execution.worker FROM (
        SELECT id, CASE job_id WHEN 'broken' THEN (SELECT min(id) FROM procrastinate_workers)
            ELSE (SELECT max(id) FROM procrastinate_workers) END AS worker
        FROM scheduler_execution_log
    ) AS execution WHERE (args ->> 'execution_id')::bigint = execution.id;
    DELETE FROM procrastinate_jobs USING scheduler_execution_log AS execution
    WHERE (args ->> 'execution_id')::bigint = execution.id AND job_id = 'deaf_too';
    UPDATE scheduler_execution_log SET handed_over_at = now() - interval '61 seconds'
"""
STATE = """
    SELECT status, process.role, process.pid FROM scheduler_execution_log AS execution
    LEFT JOIN scheduler_process AS process ON process.id = execution.process_id
    WHERE job_id = '%s' AND handed_over_at IS NULL
"""
HANDED_OVER = "SELECT id FROM scheduler_execution_log WHERE handed_over_at IS NOT NULL"


@pytest.fixture
def postgres(django_db_setup: None) -> Iterator[OwnPostgres]:
    with own_postgres() as own:
        manage(own.url, "migrate", "procrastinate", "--skip-checks", **WORKERS)
        yield own


# Left to itself a worker's queue would end it after half a minute.
@pytest.mark.timeout(400)
@pytest.mark.parametrize("away_seconds", [0, pytest.param(45, marks=pytest.mark.soak)])
def test_what_got_lost_is_run_and_a_worker_and_its_run_outlive_a_stop_of_the_database(
    postgres: OwnPostgres, tmp_path: Path, away_seconds: float
) -> None:
    def ends_as(job_id: str, status: str) -> bool:
        found = lambda: postgres.ask(STATE % job_id) == [(status, "worker", worker.pid)]  # noqa: E731
        return eventually(found, 60)

    for job_id in ("quick", "broken", "deaf_too"):
        postgres.ask(QUEUE % (job_id, '{"seconds": 0}' if job_id == "deaf_too" else "{}"))
    with SchedulerUnderTest(postgres.url, tmp_path / "first", **WORKERS) as first:
        assert eventually(lambda: len(postgres.ask(HANDED_OVER)) == 3, 60), first.log
    postgres.ask(LOSE)
    with (
        SchedulerUnderTest(postgres.url, tmp_path / "scheduler", **WORKERS) as scheduler,
        WorkerUnderTest(postgres.url, tmp_path / "worker", **WORKERS) as worker,
    ):
        for job_id, status in (("quick", "SUCCESS"), ("broken", "FAILED"), ("deaf_too", "SUCCESS")):
            assert ends_as(job_id, status), f"{job_id}\n{scheduler.log}\n{worker.log}"

        postgres.ask(QUEUE % ("deaf", '{"seconds": 4}'))
        assert ends_as("deaf", "RUNNING"), worker.log
        postgres.stop()
        assert worker.says("action=database_away", 30)
        # The run ends while there is no database to tell.
        assert worker.says("action=close job_id=deaf", 30)
        time.sleep(away_seconds)
        postgres.start()

        assert ends_as("deaf", "SUCCESS"), worker.log
        postgres.ask(QUEUE % ("dies", "{}"))
        # Whoever takes it dies of it: the worker took what came after the outage.
        assert worker.exit_code(60) == 3, worker.log
