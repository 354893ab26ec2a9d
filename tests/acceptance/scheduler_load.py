"""Jobs that fire every second in several scheduler processes, and the account of what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.acceptance.own_postgres import OwnPostgres
from tests.acceptance.runscheduler import SchedulerUnderTest
from tests.waiting import eventually

TABLES = """
    DROP TABLE IF EXISTS start, effect;
    CREATE TABLE start (job_id text, slot timestamptz, attempt int);
    CREATE TABLE effect (job_id text, slot timestamptz, attempt int);
    TRUNCATE scheduler_job_config, scheduler_execution_log, scheduler_stop_request, scheduler_lease,
        scheduler_process
"""
# Every missed slot is run, one after the other; none is left out; a failure is tried again at once.
SCHEDULES = """
    INSERT INTO scheduler_job_config (job_id, job_name, trigger, cron_expression, interval_seconds,
        timezone, enabled, job_kwargs, created_at, updated_at, misfire_policy, overlap_policy,
        max_retries, retry_delay_seconds, retry_backoff)
    SELECT 'effect_' || to_char(number, 'FM00'), '', 'interval', '', 1, 'UTC', true, '{}', now(),
        now(), 'run_all', 'queue_one', 3, 0, 1
    FROM generate_series(0, %s) AS number
"""
UNDONE = """
    SELECT job_id, slot FROM effect
    EXCEPT SELECT job_id, scheduled_for FROM scheduler_execution_log WHERE status = 'SUCCESS'
"""
WITHOUT_EFFECT = """
    SELECT job_id, scheduled_for FROM scheduler_execution_log WHERE status = 'SUCCESS'
    EXCEPT SELECT job_id, slot FROM effect
"""
OPEN = """
    SELECT id, job_id, scheduled_for, status, started_at FROM scheduler_execution_log
    WHERE status IN ('QUEUED', 'RUNNING')
"""


@dataclass(frozen=True)
class Account:
    """What the tables say at the end. Each list should be empty.

    A slot that came while a run was under way and another slot waited has a row that says so, by the
    overlap policy of these schedules: it has no effect, and that is no fault.
    """

    slots: int
    attempts: Counter[tuple[int, str]]
    gaps: list[object]
    started_twice: list[object]
    effects_twice: list[object]
    effects_without_success: list[object]
    successes_without_effect: list[object]
    slots_without_effect: list[object]
    failures_without_retry: list[object]

    @property
    def faults(self) -> dict[str, list[object]]:
        return {name: found for name, found in vars(self).items()
                if isinstance(found, list) and found}  # fmt: skip


class Load:
    """`jobs` schedules of one second, served by the given processes."""

    def __init__(self, postgres: OwnPostgres, schedulers: list[SchedulerUnderTest]) -> None:
        self.postgres = postgres
        self.schedulers = schedulers

    def settle(self, seconds: float = 60) -> None:
        """Let nothing new fire, and what waits or runs come to its end."""
        self.postgres.ask("UPDATE scheduler_job_config SET interval_seconds = 86400")
        assert eventually(lambda: not self.postgres.ask(OPEN), seconds), self.postgres.ask(OPEN)

    def account(self) -> Account:
        ask = self.postgres.ask
        counted = ask("SELECT attempt, status, count(*) FROM scheduler_execution_log GROUP BY 1, 2")
        return Account(
            slots=len(ask("SELECT DISTINCT job_id, scheduled_for FROM scheduler_execution_log")),
            attempts=Counter({(attempt, status): count for attempt, status, count in counted}),  # type: ignore[misc]
            gaps=list(
                ask(
                    "SELECT job_id, scheduled_for, next FROM (SELECT job_id, scheduled_for,"
                    " lead(scheduled_for) OVER (PARTITION BY job_id ORDER BY scheduled_for) AS next"
                    " FROM scheduler_execution_log WHERE attempt = 1) AS slots"
                    " WHERE next <> scheduled_for + interval '1 second'"
                )
            ),
            started_twice=list(
                ask("SELECT job_id, slot, attempt FROM start GROUP BY 1, 2, 3 HAVING count(*) > 1")
            ),
            effects_twice=list(
                ask("SELECT job_id, slot FROM effect GROUP BY 1, 2 HAVING count(*) > 1")
            ),
            effects_without_success=list(ask(UNDONE)),
            successes_without_effect=list(ask(WITHOUT_EFFECT)),
            slots_without_effect=list(
                ask(
                    "SELECT job_id, scheduled_for, status, error_message"
                    " FROM scheduler_execution_log AS execution WHERE attempt = 1"
                    " AND status <> 'SKIPPED_OVERLAP' AND NOT EXISTS"
                    " (SELECT FROM effect WHERE effect.job_id = execution.job_id"
                    " AND slot = scheduled_for)"
                )
            ),
            failures_without_retry=list(
                ask(
                    "SELECT job_id, scheduled_for, attempt FROM scheduler_execution_log AS failed"
                    " WHERE status = 'FAILED' AND NOT EXISTS (SELECT FROM scheduler_execution_log"
                    " AS next WHERE next.job_id = failed.job_id AND next.scheduled_for ="
                    " failed.scheduled_for AND next.attempt = failed.attempt + 1)"
                )
            ),
        )

    def closed_after(self, died: dict[int, datetime]) -> list[timedelta]:
        """Of every run that such a process (its pid) left behind: how long after its end it was
        closed, with the reason that names it."""
        rows = self.postgres.ask(
            "SELECT process.pid, finished_at FROM scheduler_execution_log AS execution"
            " JOIN scheduler_process AS process ON process.id = execution.process_id"
            " WHERE status = 'FAILED' AND error_message LIKE"
            " 'its process ' || process.host || ':' || process.pid || ' stopped responding at %'"
        )
        return [finished - died[pid] for pid, finished in rows if pid in died]  # type: ignore[operator]


@contextmanager
def load(postgres: OwnPostgres, folder: Path, *, processes: int, jobs: int) -> Iterator[Load]:
    """So many processes and jobs, the processes once one of them leads."""
    postgres.ask(TABLES)
    postgres.ask(SCHEDULES % (jobs - 1))
    with ExitStack() as stack:
        schedulers = [
            stack.enter_context(SchedulerUnderTest(postgres.url, folder / f"log-{number}"))
            for number in range(processes)
        ]
        done = "SELECT id FROM scheduler_execution_log WHERE status = 'SUCCESS'"
        assert eventually(lambda: postgres.ask(done), seconds=30)
        yield Load(postgres, schedulers)


def until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
