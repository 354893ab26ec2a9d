"""The index on (job_id, started_at) carries the status: a month of runs is counted without its rows."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Concurrently: schedules go on firing while a long history is indexed.
    atomic = False

    dependencies = [
        ("scheduler_app", "0011_execution_filters"),
    ]

    operations = [
        # What an interrupted build leaves behind has the name and is no index.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS execution_by_start", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="executionlog",
            index=models.Index(
                fields=["job_id", "started_at"], name="execution_by_start", include=["status"]
            ),
        ),
        RemoveIndexConcurrently(model_name="executionlog", name="execution_by_job"),
    ]
