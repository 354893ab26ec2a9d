"""The versions of a schedule, and the permission to pause one."""


import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('scheduler_app', '0008_notifications'),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalJobConfig',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('misfire_policy', models.CharField(choices=[('skip', 'leave them out'), ('run_once', 'run the latest once'), ('run_all', 'run all of them within the window')], db_default='run_once', default='run_once', max_length=20, verbose_name='missed slots')),
                ('misfire_window_seconds', models.PositiveIntegerField(db_default=86400, default=86400, verbose_name='window of missed slots, in seconds')),
                ('overlap_policy', models.CharField(choices=[('skip', 'leave the new one out'), ('queue_one', 'let one wait'), ('cancel_running', 'ask the running one to stop')], db_default='skip', default='skip', max_length=20, verbose_name='while it still runs')),
                ('start_deadline_seconds', models.PositiveIntegerField(db_default=0, default=0, verbose_name='start deadline in seconds')),
                ('run_calendar', models.CharField(db_default='every_day', default='every_day', max_length=50, verbose_name='run calendar')),
                ('time_limit_seconds', models.PositiveIntegerField(db_default=0, default=0, verbose_name='time limit in seconds')),
                ('runs_in_subprocess', models.BooleanField(db_default=False, default=False, verbose_name='in a process of its own')),
                ('max_retries', models.PositiveSmallIntegerField(db_default=2, default=2, verbose_name='retries')),
                ('retry_delay_seconds', models.PositiveIntegerField(db_default=60, default=60, verbose_name='first retry after seconds')),
                ('retry_backoff', models.FloatField(db_default=5.0, default=5.0, verbose_name='each further delay times')),
                ('pause_after_failures', models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='pause after failures in a row')),
                ('success_by', models.CharField(blank=True, db_default='', default='', max_length=5, verbose_name='alarm without a success by')),
                ('paused_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='paused since')),
                ('paused_until', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='paused until')),
                ('paused_by', models.CharField(blank=True, db_default='', default='', editable=False, max_length=150, verbose_name='paused by')),
                ('paused_reason', models.CharField(blank=True, db_default='', default='', editable=False, max_length=500, verbose_name='reason of the pause')),
                ('retention_days', models.PositiveIntegerField(db_default=90, default=90, verbose_name='keep executions for days')),
                ('retention_runs', models.PositiveIntegerField(db_default=0, default=0, verbose_name='keep at most so many executions')),
                ('job_id', models.CharField(db_index=True, max_length=100, verbose_name='job')),
                ('job_name', models.CharField(blank=True, max_length=200, verbose_name='name')),
                ('trigger', models.CharField(choices=[('cron', 'cron'), ('interval', 'interval')], default='cron', max_length=10, verbose_name='trigger')),
                ('cron_expression', models.CharField(blank=True, max_length=100, verbose_name='cron expression')),
                ('interval_seconds', models.PositiveIntegerField(blank=True, null=True, verbose_name='interval in seconds')),
                ('timezone', models.CharField(default='Asia/Shanghai', max_length=64, verbose_name='time zone')),
                ('enabled', models.BooleanField(default=True, verbose_name='enabled')),
                ('job_kwargs', models.JSONField(blank=True, default=dict, verbose_name='arguments')),
                ('created_at', models.DateTimeField(blank=True, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(blank=True, editable=False, verbose_name='changed')),
                ('history_user_id', models.CharField(max_length=150, null=True, verbose_name='who')),
                ('history_change_reason', models.TextField(null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical schedule',
                'verbose_name_plural': 'historical schedules',
                'db_table': 'scheduler_job_config_history',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AlterModelOptions(
            name='jobconfig',
            options={'ordering': ['job_id'], 'permissions': [('trigger_jobconfig', 'Can run a job now'), ('pause_jobconfig', 'Can pause and resume a schedule')], 'verbose_name': 'schedule', 'verbose_name_plural': 'schedules'},
        ),
    ]
