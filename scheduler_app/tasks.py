"""The tasks of procrastinate's workers; it imports this module by its name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from scheduler_app import worker
from scheduler_app.helpers import help_with
from scheduler_app.worker_queue import HELP, RUN, defer_help

HELP_AGAIN_SECONDS = 5
# Where the database was away: what was not taken over is taken over later.
AGAIN = RetryStrategy(wait=2)


@app.task(name=RUN, retry=AGAIN)
async def run(execution_id: int) -> None:
    await worker.in_thread(partial(worker.run, execution_id))


@app.task(name=HELP)
async def help(name: str, kwargs: dict[str, object]) -> None:
    await worker.in_thread(partial(_help, name, kwargs))


def _help(name: str, kwargs: Mapping[str, object], stop: threading.Event) -> None:
    if help_with(name, stop, kwargs):
        defer_help(name, kwargs, in_seconds=HELP_AGAIN_SECONDS)
