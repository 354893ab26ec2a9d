"""What runs under way have logged so far."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("scheduler_app", "0009_change_history"),
    ]

    operations = [
        migrations.CreateModel(
            name="LiveLog",
            fields=[
                ("execution_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("text", models.TextField()),
                ("written_at", models.DateTimeField()),
            ],
            options={"db_table": "scheduler_live_log"},
        ),
    ]
