"""A thousand schedules due in the same minute: how late they start, and how soon an edit is applied.

Against a real `runscheduler` process. How late a run starts is told by the job itself, in its first
line, by the clock on the wall.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.report import say, table
from tests.bench.surroundings import REPOSITORY
from tests.waiting import eventually

ROWS = 1_000
MINUTES = 2
EDITS = 50
SEED = 1


def run() -> None:
    from scheduler_app.models import JobConfig

    JobConfig.objects.all().delete()
    JobConfig.objects.bulk_create(
        JobConfig(job_id=f"many_{number:04}", cron_expression="* * * * *", timezone="UTC")
        for number in range(ROWS)
    )
    with scheduler_process():
        late = lateness()
        edits = edit_times()
    say(f"Scheduler, {ROWS:,} enabled rows")
    table(
        ("", "runs", "p50", "p99", "latest"),
        [
            ("a run starts after its slot, all due at once", *quantiles(late)),
            ("an edit is applied after its commit", *quantiles(edits)),
        ],
    )


@contextmanager
def scheduler_process() -> Iterator[None]:
    """A `runscheduler` with as many jobs; it is given time to load them."""
    from scheduler_app.health import scheduler_status

    with subprocess.Popen(
        [sys.executable, "manage.py", "runscheduler"],
        cwd=REPOSITORY,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "tests.settings_with_jobs", "TEST_JOBS": str(ROWS)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert eventually(lambda: len(scheduler_status().next_runs) == ROWS, seconds=60)
            yield
        finally:
            process.terminate()


def lateness() -> list[float]:
    """Seconds from slot to start, of all runs of the next minutes."""
    from django.utils import timezone

    from scheduler_app.models import ExecutionLog, Status

    began = timezone.now()
    done = ExecutionLog.objects.filter(scheduled_for__gt=began, status=Status.SUCCESS)
    # Asked for rarely: the rows must start on the same two cores that answer.
    assert eventually(lambda: done.count() >= ROWS * MINUTES, seconds=60 * (MINUTES + 1), every=5)
    runs = ExecutionLog.objects.filter(scheduled_for__gt=began).values_list("status", "result")
    assert all(status == Status.SUCCESS for status, _result in runs), "a run was left out"
    return [result["late"] for _status, result in runs if result]


def edit_times() -> list[float]:
    """Seconds from the commit of an edit to the scheduler's word that it is applied."""
    from scheduler_app.health import scheduler_status
    from scheduler_app.models import JobConfig

    chance = random.Random(SEED)

    def applied() -> bool:
        status = scheduler_status()
        return status.revision_applied == status.revision_wanted

    times = []
    for number in chance.sample(range(ROWS), EDITS):
        row = JobConfig.objects.filter(job_id=f"many_{number:04}")
        row.update(cron_expression=f"{chance.randrange(60)} 3 * * *")
        committed = time.perf_counter()
        assert eventually(applied, seconds=30)
        times.append(time.perf_counter() - committed)
        time.sleep(chance.uniform(0, 0.5))  # edits do not come in step with the loop
    return times


def quantiles(seconds: Sequence[float]) -> list[str]:
    ordered = sorted(seconds)
    at = [ordered[int((len(ordered) - 1) * share)] for share in (0.5, 0.99, 1.0)]
    return [f"{len(ordered):,}", *(f"{each:.3f} s" for each in at)]
