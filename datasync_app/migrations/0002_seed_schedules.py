"""The four schedules every installation starts with. What is there already is left as it is."""

from __future__ import annotations

from typing import Any

from django.db import migrations

SCHEDULES = (
    ("sync_daily_by_date", "Daily market data", "0 18 * * *"),
    ("sync_incremental_finance", "Finance reports", "0 0 * * *"),
    ("sync_concept_data", "Concepts", "30 18 * * *"),
    ("sync_stock_basic", "Stock list", "0 19 * * *"),
)


def seed(apps: Any, schema_editor: Any) -> None:
    config = apps.get_model("scheduler_app", "JobConfig")
    config.objects.using(schema_editor.connection.alias).bulk_create(
        [
            config(
                job_id=job_id,
                job_name=name,
                trigger="cron",
                cron_expression=cron,
                timezone="Asia/Shanghai",
                enabled=True,
            )
            for job_id, name, cron in SCHEDULES
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("datasync_app", "0001_initial"),
        ("scheduler_app", "0002_schedule_revision"),
    ]

    # Backwards nothing: by then the rows may be staff's own.
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
