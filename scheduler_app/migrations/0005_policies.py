"""The policies of a schedule, with the database's own defaults, so that every row there is has them.

The trigger that counts revisions watches those that decide about slots as well: staff are then told
that the running scheduler has them. They are no new schedule: `schedule_since` stays as it is.
"""

import django.db.models.deletion
from django.db import migrations, models

SLOTS = ("job_id", "trigger", "cron_expression", "interval_seconds", "timezone", "enabled",
         "job_kwargs")
POLICIES = ("misfire_policy", "misfire_window_seconds", "overlap_policy", "start_deadline_seconds",
            "run_calendar", "time_limit_seconds", "runs_in_subprocess", "max_retries",
            "retry_delay_seconds", "retry_backoff", "pause_after_failures", "paused_at",
            "paused_until")


def watching(*columns: str) -> str:
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"""
DROP TRIGGER job_config_changed ON scheduler_job_config;
CREATE TRIGGER job_config_changed AFTER UPDATE ON scheduler_job_config
    FOR EACH ROW WHEN (({old}) IS DISTINCT FROM ({new}))
    EXECUTE FUNCTION scheduler_bump_revision();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('scheduler_app', '0004_execution_newest_by_job'),
    ]

    operations = [
        migrations.CreateModel(
            name='StopRequest',
            fields=[
                ('execution', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='stop_request', serialize=False, to='scheduler_app.executionlog')),
                ('at_once', models.BooleanField()),
                ('reason', models.TextField()),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'db_table': 'scheduler_stop_request',
            },
        ),
        migrations.AddField(
            model_name='executionlog',
            name='not_before',
            field=models.DateTimeField(null=True, verbose_name='not before'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='max_retries',
            field=models.PositiveSmallIntegerField(db_default=2, default=2, verbose_name='retries'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='misfire_policy',
            field=models.CharField(choices=[('skip', 'leave them out'), ('run_once', 'run the latest once'), ('run_all', 'run all of them within the window')], db_default='run_once', default='run_once', max_length=20, verbose_name='missed slots'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='misfire_window_seconds',
            field=models.PositiveIntegerField(db_default=86400, default=86400, verbose_name='window of missed slots, in seconds'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='overlap_policy',
            field=models.CharField(choices=[('skip', 'leave the new one out'), ('queue_one', 'let one wait'), ('cancel_running', 'ask the running one to stop')], db_default='skip', default='skip', max_length=20, verbose_name='while it still runs'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='pause_after_failures',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='pause after failures in a row'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='paused_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='paused since'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='paused_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=150, verbose_name='paused by'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='paused_reason',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=500, verbose_name='reason of the pause'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='paused_until',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='paused until'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='resumed_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='retention_days',
            field=models.PositiveIntegerField(db_default=90, default=90, verbose_name='keep executions for days'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='retention_runs',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='keep at most so many executions'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='retry_backoff',
            field=models.FloatField(db_default=5.0, default=5.0, verbose_name='each further delay times'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='retry_delay_seconds',
            field=models.PositiveIntegerField(db_default=60, default=60, verbose_name='first retry after seconds'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='run_calendar',
            field=models.CharField(db_default='every_day', default='every_day', max_length=50, verbose_name='run calendar'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='runs_in_subprocess',
            field=models.BooleanField(db_default=False, default=False, verbose_name='in a process of its own'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='start_deadline_seconds',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='start deadline in seconds'),
        ),
        migrations.AddField(
            model_name='jobconfig',
            name='time_limit_seconds',
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name='time limit in seconds'),
        ),
        migrations.AddConstraint(
            model_name='jobconfig',
            constraint=models.CheckConstraint(condition=models.Q(('misfire_policy__in', ['skip', 'run_once', 'run_all']), ('overlap_policy__in', ['skip', 'queue_one', 'cancel_running']), ('retry_backoff__gte', 1), ('retry_backoff__lte', 100)), name='job_config_policies_are_known'),
        ),
        migrations.RunSQL(watching(*SLOTS, *POLICIES), watching(*SLOTS)),
    ]
