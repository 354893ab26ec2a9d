"""APScheduler's executor: it hands due slots over and is done with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job


class HandOverExecutor(BaseExecutor):  # type: ignore[misc]
    def __init__(self, hand_over: Callable[[str, list[datetime]], None]) -> None:
        super().__init__()
        self._hand_over = hand_over

    def submit_job(self, job: Job, run_times: list[datetime]) -> None:
        # The base class counts instances and refuses more than so many; whether a job may
        # overlap is decided in the database.
        self._do_submit_job(job, run_times)

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        self._hand_over(job.id, run_times)
