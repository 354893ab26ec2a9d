"""Dropping the data of a generated source, so that a real one can fill the database."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction
from django.utils.translation import gettext as _

from datasync_app.datasets import DATASETS
from datasync_app.engine.identity import is_generated, stored_identity
from datasync_app.engine.renumbering import forget_bse_mapping
from datasync_app.engine.tasks import why_dead
from datasync_app.errors import SourceMismatch, TaskAlreadyRunning
from datasync_app.models import (
    DatasetState,
    SourceIdentity,
    SyncFailureRecord,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
    SyncShard,
    SyncTask,
    TaskStatus,
)


def drop_generated_data(*, now: dt.datetime) -> str:
    """Empty datasets, ledger, tasks and failures of a generated source; return whose they were.

    What is known of renumbered codes goes back to what every database starts with.

    The task table is locked first, as every commit of a run does: a run under way either commits
    before and is dropped too, or finds its task gone and stores nothing.

    Raises:
        SourceMismatch: the data are Tushare's, or there are none.
        TaskAlreadyRunning: a sync is under way.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE sync_task IN ACCESS EXCLUSIVE MODE")
        owner = stored_identity()
        if owner is None:
            raise SourceMismatch(
                _("This database holds no market data, so there is nothing to drop.")
            )
        if not is_generated(owner):
            raise SourceMismatch(
                _(
                    "This database holds data of Tushare, which go_live never drops. Use a new "
                    "database (DATABASE_URL or STOCKSYNC_VAR) to start over."
                )
            )
        for task in SyncTask.objects.filter(status=TaskStatus.RUNNING):
            if not why_dead(task, now=now):
                raise TaskAlreadyRunning(
                    _(
                        "Task %(task)d of %(job)s is running and would store more of it: stop "
                        "`make run` first, or wait for its end."
                    )
                    % {"task": task.pk, "job": task.job_type},
                    task,
                )
        models = [
            *(SyncTask, SyncShard, SourceIdentity, SyncLedger, SyncFailureRecord, DatasetState),
            *(SyncRestatement, SyncQuarantine),
        ]
        tables = [model._meta.db_table for model in models]
        tables += [dataset.model._meta.db_table for dataset in DATASETS.values()]
        quoted = ", ".join(connection.ops.quote_name(table) for table in tables)
        cursor.execute(f"TRUNCATE {quoted}")
        forget_bse_mapping()
    return owner
