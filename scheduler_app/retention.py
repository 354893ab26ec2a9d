"""Old executions are deleted, as each schedule says by age and number, a small batch at a time."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import connection

from scheduler_app.policy_rules import defaults

logger = logging.getLogger(__name__)

BATCH = 1000
BATCHES_AT_ONCE = 5

# Never deleted: what is open, the newest of each job, and by number nothing of the last day, whose rows
# are the claims of their slots. Jobs without a schedule are kept as long as those with the default.
_PRUNE = """
WITH RECURSIVE job (job_id) AS (
    SELECT min(job_id) FROM scheduler_execution_log
    UNION ALL
    SELECT (SELECT min(job_id) FROM scheduler_execution_log WHERE job_id > job.job_id)
    FROM job WHERE job.job_id IS NOT NULL
), kept AS (
    SELECT job.job_id, coalesce(config.retention_days, %(days)s) AS days,
        coalesce(config.retention_runs, %(runs)s) AS runs
    FROM job LEFT JOIN scheduler_job_config AS config USING (job_id)
), cut AS (
    SELECT kept.job_id, least(newest.at, greatest(
        CASE WHEN kept.days > 0 THEN %(now)s - kept.days * interval '1 day' END,
        CASE WHEN nth.at IS NOT NULL THEN least(nth.at, %(now)s - interval '1 day') END
    )) AS at
    FROM kept
    CROSS JOIN LATERAL (
        SELECT max(started_at) AS at FROM scheduler_execution_log WHERE job_id = kept.job_id
    ) AS newest
    LEFT JOIN LATERAL (
        SELECT started_at AS at FROM scheduler_execution_log
        WHERE job_id = kept.job_id
        ORDER BY started_at DESC OFFSET greatest(kept.runs - 1, 0) LIMIT 1
    ) AS nth ON kept.runs > 0
    WHERE kept.days > 0 OR kept.runs > 0
), doomed AS (
    SELECT aged.id FROM cut CROSS JOIN LATERAL (
        SELECT id FROM scheduler_execution_log
        WHERE job_id = cut.job_id AND started_at < cut.at AND status NOT IN ('QUEUED', 'RUNNING')
        ORDER BY started_at LIMIT %(batch)s
    ) AS aged
    LIMIT %(batch)s
), locked AS (
    SELECT id FROM scheduler_execution_log
    WHERE id IN (SELECT id FROM doomed) FOR UPDATE SKIP LOCKED
), requests AS (
    DELETE FROM scheduler_stop_request USING locked WHERE execution_id = locked.id
)
DELETE FROM scheduler_execution_log AS execution USING locked WHERE execution.id = locked.id
"""


def prune(now: datetime) -> int:
    """Delete executions that need not be kept any longer; how many. There may be more.

    Raises:
        django.db.Error: the database is away.
    """
    policy = defaults()
    values = {
        "now": now,
        "days": policy["retention_days"],
        "runs": policy["retention_runs"],
        "batch": BATCH,
    }
    removed = 0
    for _ in range(BATCHES_AT_ONCE):
        with connection.cursor() as cursor:
            cursor.execute(_PRUNE, values)
            removed += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    if removed:
        logger.info("action=prune executions=%s", removed)
    return removed
