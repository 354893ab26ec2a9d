"""The market tables, the code changes that no endpoint tells, and the disputes of the ledger."""

from __future__ import annotations

import datetime
from typing import Any

import django.db.models.functions.comparison
from django.db import migrations, models

# Old code, new code, first day under the new one.
CODE_CHANGES = (
    ("000022.SZ", "001872.SZ", datetime.date(2018, 12, 26)),
    ("000043.SZ", "001914.SZ", datetime.date(2019, 12, 16)),
    ("300114.SZ", "302132.SZ", datetime.date(2025, 2, 17)),
)


def seed(apps: Any, schema_editor: Any) -> None:
    change = apps.get_model("datasync_app", "CodeChange")
    change.objects.using(schema_editor.connection.alias).bulk_create(
        [change(old_code=old, new_code=new, from_date=day) for old, new, day in CODE_CHANGES],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('datasync_app', '0006_finance'),
    ]

    operations = [
        migrations.AddField(
            model_name='syncledger',
            name='disputes',
            field=models.JSONField(default=dict, db_default={}),
        ),
        migrations.CreateModel(
            name='AdjFactor',
            fields=[
                ('pk', models.CompositePrimaryKey('trade_date', 'ts_code', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ts_code', models.CharField(max_length=16)),
                ('trade_date', models.DateField()),
                ('adj_factor', models.FloatField(null=True)),
            ],
            options={
                'db_table': 'adj_factor',
                'indexes': [models.Index(fields=['ts_code', 'trade_date'], name='adj_factor_by_code')],
            },
        ),
        migrations.CreateModel(
            name='BseMapping',
            fields=[
                ('o_code', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('n_code', models.CharField(max_length=16)),
                ('name', models.TextField(null=True)),
                ('list_date', models.DateField(null=True)),
            ],
            options={
                'db_table': 'bse_mapping',
                'indexes': [models.Index(fields=['n_code'], name='bse_mapping_by_new_code')],
            },
        ),
        migrations.CreateModel(
            name='CodeChange',
            fields=[
                ('old_code', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('new_code', models.CharField(max_length=16)),
                ('from_date', models.DateField()),
            ],
            options={
                'db_table': 'code_change',
                'indexes': [models.Index(fields=['new_code'], name='code_change_by_new_code')],
            },
        ),
        migrations.CreateModel(
            name='DailyBasic',
            fields=[
                ('pk', models.CompositePrimaryKey('trade_date', 'ts_code', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ts_code', models.CharField(max_length=16)),
                ('trade_date', models.DateField()),
                ('close', models.FloatField(null=True)),
                ('turnover_rate', models.FloatField(null=True)),
                ('turnover_rate_f', models.FloatField(null=True)),
                ('volume_ratio', models.FloatField(null=True)),
                ('pe', models.FloatField(null=True)),
                ('pe_ttm', models.FloatField(null=True)),
                ('pb', models.FloatField(null=True)),
                ('ps', models.FloatField(null=True)),
                ('ps_ttm', models.FloatField(null=True)),
                ('dv_ratio', models.FloatField(null=True)),
                ('dv_ttm', models.FloatField(null=True)),
                ('total_share', models.FloatField(null=True)),
                ('float_share', models.FloatField(null=True)),
                ('free_share', models.FloatField(null=True)),
                ('total_mv', models.FloatField(null=True)),
                ('circ_mv', models.FloatField(null=True)),
                ('limit_status', models.SmallIntegerField(null=True)),
            ],
            options={
                'db_table': 'daily_basic',
                'indexes': [models.Index(fields=['ts_code', 'trade_date'], name='daily_basic_by_code')],
            },
        ),
        migrations.CreateModel(
            name='IndexDaily',
            fields=[
                ('pk', models.CompositePrimaryKey('trade_date', 'ts_code', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ts_code', models.CharField(max_length=16)),
                ('trade_date', models.DateField()),
                ('open', models.FloatField(null=True)),
                ('high', models.FloatField(null=True)),
                ('low', models.FloatField(null=True)),
                ('close', models.FloatField(null=True)),
                ('pre_close', models.FloatField(null=True)),
                ('change', models.FloatField(null=True)),
                ('pct_chg', models.FloatField(null=True)),
                ('vol', models.FloatField(null=True)),
                ('amount', models.FloatField(null=True)),
            ],
            options={
                'db_table': 'index_daily',
                'indexes': [models.Index(fields=['ts_code', 'trade_date'], name='index_daily_by_code')],
            },
        ),
        migrations.CreateModel(
            name='NameChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ts_code', models.CharField(max_length=16)),
                ('name', models.TextField()),
                ('start_date', models.DateField()),
                ('end_date', models.DateField(null=True)),
                ('ann_date', models.DateField(null=True)),
                ('change_reason', models.TextField(null=True)),
            ],
            options={
                'db_table': 'namechange',
                'indexes': [models.Index(fields=['ts_code', 'start_date'], name='namechange_by_code')],
                'constraints': [models.UniqueConstraint(models.F('ts_code'), models.F('start_date'), models.F('name'), django.db.models.functions.comparison.Coalesce('end_date', models.Value(datetime.date(1, 1, 1))), django.db.models.functions.comparison.Coalesce('ann_date', models.Value(datetime.date(1, 1, 1))), django.db.models.functions.comparison.Coalesce('change_reason', models.Value('')), name='namechange_identity')],
            },
        ),
        migrations.CreateModel(
            name='SuspendD',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ts_code', models.CharField(max_length=16)),
                ('trade_date', models.DateField()),
                ('suspend_timing', models.TextField(null=True)),
                ('suspend_type', models.CharField(max_length=4)),
            ],
            options={
                'db_table': 'suspend_d',
                'indexes': [models.Index(fields=['ts_code', 'trade_date'], name='suspend_d_by_code')],
                'constraints': [models.UniqueConstraint(models.F('trade_date'), models.F('ts_code'), models.F('suspend_type'), django.db.models.functions.comparison.Coalesce('suspend_timing', models.Value('')), name='suspend_d_identity')],
            },
        ),
        # Backwards nothing: the table itself goes.
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
