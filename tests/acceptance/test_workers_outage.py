"""PostgreSQL is stopped and started under a worker: the process stays, and so does what it runs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.own_postgres import OwnPostgres
from tests.acceptance.runscheduler import SchedulerUnderTest, WorkerUnderTest, manage
from tests.acceptance.worker_tables import WORKERS
from tests.waiting import eventually

pytestmark = pytest.mark.acceptance

QUEUE = """
    INSERT INTO scheduler_execution_log (job_id, scheduled_for, attempt, status, caused_by,
        triggered_by, job_kwargs, created_at, error_message, traceback, log)
    VALUES ('%s', now(), 1, 'QUEUED', 'api', '', '%s', now(), '', '', '')
"""
# As if the answer to a worker that fetched the job had been lost a minute ago.
LOSE = """
    DELETE FROM procrastinate_jobs;
    UPDATE scheduler_execution_log SET handed_over_at = now() - interval '61 seconds'
    WHERE job_id = 'quick'
"""
STATE = """
    SELECT status, process.role, process.pid FROM scheduler_execution_log AS execution
    LEFT JOIN scheduler_process AS process ON process.id = execution.process_id
    WHERE job_id = '%s' AND handed_over_at IS %s NULL
"""


@pytest.fixture
def postgres() -> Iterator[OwnPostgres]:
    # Not pytest's folder: it is closed to the account that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="stocksync-worker-outage-"))
    folder.chmod(0o711)
    own = OwnPostgres(folder)
    try:
        manage(own.url, "migrate", "--verbosity=0", **WORKERS)
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder)


# Left to itself a worker's queue would end it after half a minute.
@pytest.mark.parametrize("away_seconds", [0, pytest.param(45, marks=pytest.mark.soak)])
def test_a_worker_and_its_run_outlive_a_stop_of_the_database(
    postgres: OwnPostgres, tmp_path: Path, away_seconds: float
) -> None:
    def state(job_id: str, *, handed_over: bool = False) -> list[tuple[object, ...]]:
        return postgres.ask(STATE % (job_id, "NOT" if handed_over else ""))

    # Waits for a worker, whose job is lost; the scheduler finds it at its first look.
    postgres.ask(QUEUE % ("quick", "{}"))
    with SchedulerUnderTest(postgres.url, tmp_path / "first", **WORKERS):
        assert eventually(lambda: state("quick", handed_over=True), 60)
    postgres.ask(LOSE)
    postgres.ask(QUEUE % ("deaf", '{"seconds": 4}'))
    with (
        SchedulerUnderTest(postgres.url, tmp_path / "scheduler", **WORKERS) as scheduler,
        WorkerUnderTest(postgres.url, tmp_path / "worker", **WORKERS) as worker,
    ):
        taken = [("RUNNING", "worker", worker.pid)]
        assert eventually(lambda: state("deaf") == taken, 60), worker.log
        postgres.stop()
        assert worker.says("action=database_away", 30)
        # The run ends while there is no database to tell.
        assert worker.says("action=close job_id=deaf", 30)
        time.sleep(away_seconds)
        postgres.start()

        done = [("SUCCESS", "worker", worker.pid)]
        assert eventually(lambda: state("deaf") == done, 30), worker.log
        assert eventually(lambda: state("quick") == done, 60), scheduler.log + worker.log
        postgres.ask(QUEUE % ("broken", "{}"))
        failed = [("FAILED", "worker", worker.pid)]
        assert eventually(lambda: state("broken") == failed, 30), worker.log
        assert worker.lives
