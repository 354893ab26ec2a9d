"""django-apscheduler's job store, as a mirror: memory answers, the database shows.

The scheduler's loop never touches the database here, and nothing is read back from pickles: a
database that is away cannot stop the loop, and a row that cannot be unpickled deletes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from django.db import connection, transaction
from django_apscheduler.jobstores import DjangoJobStore
from django_apscheduler.models import DjangoJob

_SHOW = """
    INSERT INTO django_apscheduler_djangojob AS shown (id, next_run_time, job_state)
    SELECT id, next_run_time, '' FROM jsonb_to_recordset(%s::jsonb)
        AS loaded (id text, next_run_time timestamptz)
    ON CONFLICT (id) DO UPDATE SET next_run_time = excluded.next_run_time
    WHERE shown.next_run_time IS DISTINCT FROM excluded.next_run_time
"""


class MirrorJobStore(MemoryJobStore, DjangoJobStore):  # type: ignore[misc]
    """Every question of the loop is answered by `MemoryJobStore`, which comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def get_due_jobs(self, now: datetime) -> list[Job]:
        # For the watchdog: the loop asks this each time it wakes.
        self.looks += 1
        due: list[Job] = super().get_due_jobs(now)
        return due

    def register_event_listeners(self) -> None:
        """None: they would write `DjangoJobExecution` from the loop; our execution log is ours."""

    def write(self, next_runs: Mapping[str, datetime]) -> None:
        """Make the `DjangoJob` rows say what is loaded. Called by the reconcile thread."""
        rows = [{"id": id, "next_run_time": at.isoformat()} for id, at in next_runs.items()]
        with transaction.atomic(), connection.cursor() as cursor:
            DjangoJob.objects.exclude(id__in=list(next_runs)).delete()
            cursor.execute(_SHOW, [json.dumps(rows)])
