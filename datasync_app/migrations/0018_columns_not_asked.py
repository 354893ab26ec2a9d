"""Columns of `stock_basic` and `dc_index` that are kept from now on.

What was fetched before has NULL in them: its cells say so, and are to be asked for again at once.
"""

from django.db import migrations, models

_NOT_ASKED = """
    UPDATE sync_ledger SET not_asked = '["cnspell", "act_name", "act_ent_type"]',
        next_attempt_at = fetched_at
    WHERE dataset = 'stock_basic' AND received_rows > 0;
    UPDATE sync_ledger SET not_asked = '["leading", "leading_code", "pct_change", "leading_pct",
        "total_mv", "turnover_rate", "up_num", "down_num"]', next_attempt_at = fetched_at
    WHERE dataset = 'dc_index' AND received_rows > 0;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('datasync_app', '0017_name_the_stocks'),
    ]

    operations = [
        *(
            migrations.AddField(
                model_name='stockbasic', name=name, field=models.TextField(null=True)
            )
            for name in ('cnspell', 'act_name', 'act_ent_type')
        ),
        *(
            migrations.AddField(
                model_name='dcindex', name=name, field=models.TextField(null=True)
            )
            for name in ('leading', 'leading_code')
        ),
        *(
            migrations.AddField(
                model_name='dcindex', name=name, field=models.FloatField(null=True)
            )
            for name in (
                'pct_change', 'leading_pct', 'total_mv', 'turnover_rate', 'up_num', 'down_num',
            )
        ),
        migrations.AddField(
            model_name='syncledger',
            name='not_asked',
            field=models.JSONField(db_default=[], default=list, verbose_name='columns not asked for'),
        ),
        migrations.RunSQL(_NOT_ASKED, migrations.RunSQL.noop),
    ]
