"""The lock under which everything about one job is decided, in all processes."""

from __future__ import annotations

from django.db import connection


def lock_job(job_id: str) -> None:
    """Wait for the job's turn; released with the transaction, which the server ends by itself if
    this process freezes in the middle of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', '2s', true),"
            " pg_advisory_xact_lock(hashtext('scheduler_execution_log'), hashtext(%s))",
            [job_id],
        )
