"""The lock under which everything about one job is decided, in all processes."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django.db import connection

# In one order everywhere: two that lock several jobs cannot wait for each other.
_LOCK = """
    SELECT pg_advisory_xact_lock(hashtext('scheduler_execution_log'), key),
        set_config('idle_in_transaction_session_timeout', '2s', true)
    FROM (SELECT DISTINCT hashtext(job_id) AS key
        FROM jsonb_array_elements_text(%s::jsonb) AS job_id ORDER BY 1) AS keys
"""


def lock_job(job_id: str) -> None:
    """Wait for the job's turn; released with the transaction, which the server ends by itself if
    this process freezes in the middle of it."""
    lock_jobs([job_id])


def lock_jobs(job_ids: Iterable[str]) -> None:
    """As `lock_job`, for several jobs."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [json.dumps(list(job_ids))])
