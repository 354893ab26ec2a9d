from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Concurrently: schedules go on firing while a long history is indexed.
    atomic = False

    dependencies = [
        ("scheduler_app", "0003_one_follow_up_waiting"),
    ]

    operations = [
        # What an interrupted build leaves behind has the name and is no index.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS execution_newest_by_job", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="executionlog",
            index=models.Index(fields=["job_id", "-id"], name="execution_newest_by_job"),
        ),
    ]
