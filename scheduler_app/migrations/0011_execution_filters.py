"""Indexes for what the list of executions is filtered and searched by, however long the history."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

INDEXES = (
    models.Index(fields=["status", "-id"], name="execution_by_status"),
    models.Index(fields=["caused_by", "-id"], name="execution_by_cause"),
    models.Index(fields=["job_id", "status", "-id"], name="execution_by_job_status"),
    models.Index(fields=["scheduled_for"], name="execution_by_slot"),
    models.Index(
        fields=["triggered_by", "-id"],
        name="execution_by_person",
        condition=~models.Q(triggered_by=""),
    ),
)


class Migration(migrations.Migration):
    # Concurrently: schedules go on firing while a long history is indexed.
    atomic = False

    dependencies = [
        ("scheduler_app", "0010_live_log"),
    ]

    operations = [
        operation
        for index in INDEXES
        for operation in (
            # What an interrupted build leaves behind has the name and is no index.
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}", migrations.RunSQL.noop
            ),
            AddIndexConcurrently(model_name="executionlog", index=index),
        )
    ]
