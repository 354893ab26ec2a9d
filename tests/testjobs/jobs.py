"""Jobs with one plain effect each, for tests that start real scheduler processes."""

from __future__ import annotations

import ctypes
import logging
import os
import random
import threading
import time
from collections.abc import Mapping

from django.db import connection

from scheduler_app.registry import register_job
from scheduler_app.run import Run

logger = logging.getLogger(__name__)

EFFECTS = 20


@register_job("quick", name="Quick", default_cron="0 18 * * *")
def quick(run: Run, text: str = "") -> Mapping[str, object]:
    """Says its text and ends."""
    logger.info("quick says %s", text)
    return {"text": text}


@register_job("endless", name="Endless")
def endless(run: Run) -> None:
    """Runs until it is asked to stop."""
    while True:
        run.checkpoint()
        time.sleep(0.05)


@register_job("deaf", name="Deaf")
def deaf(run: Run, seconds: int = 600) -> None:
    """Never asks whether it is still wanted."""
    time.sleep(seconds)


register_job("deaf_too", name="Deaf too")(deaf)


@register_job("dies", name="Dies")
def dies(run: Run) -> None:
    """Takes its whole process with it."""
    os._exit(3)


@register_job("broken", name="Broken")
def broken(run: Run) -> None:
    """Always fails."""
    raise RuntimeError("this job is broken")


@register_job("kills_the_loop", name="Kills the loop")
def kills_the_loop(run: Run) -> None:
    """Ends the thread that fires schedules, as no error of ours is known to do."""
    (loop,) = [thread for thread in threading.enumerate() if thread.name == "APScheduler"]
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(loop.ident or 0), ctypes.py_object(SystemExit)
    )


def leaves_an_effect(run: Run) -> None:
    """Notes that it started; after a moment notes, once for its slot, that it was there."""
    attempt = (run.job_id, run.scheduled_for, run.attempt)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO start VALUES (%s, %s, %s)", attempt)
    time.sleep(random.uniform(0, 0.3))
    with run.fenced(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO effect SELECT %s, %s, %s"
            " WHERE NOT EXISTS (SELECT FROM effect WHERE job_id = %s AND slot = %s)",
            (*attempt, *attempt[:2]),
        )
        time.sleep(random.uniform(0, 0.05))


for number in range(EFFECTS):
    register_job(f"effect_{number:02}", name=f"Effect {number}")(leaves_an_effect)


def tells_how_late(run: Run) -> Mapping[str, object]:
    """Tells how many seconds after its slot it started."""
    return {"late": time.time() - run.scheduled_for.timestamp()}


for number in range(int(os.environ.get("TEST_JOBS", "0"))):
    register_job(f"many_{number:04}", name=f"Many {number}")(tells_how_late)
