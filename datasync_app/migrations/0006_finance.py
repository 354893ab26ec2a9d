"""Finance tables, and how they are read: the latest version of each report, and what was known when.

The function of a date names the columns that the table has at this point: a later column needs a
later migration of the view and the function too.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

# A plan is moved, a disclosure happens: what has happened counts, then what the source said last.
DISCLOSURE_LATEST = """
CREATE VIEW disclosure_date_latest AS
SELECT DISTINCT ON (d.ts_code, d.end_date) d.*
FROM disclosure_date AS d
ORDER BY d.ts_code, d.end_date, (d.actual_date IS NOT NULL) DESC, d.last_seen_at DESC,
         d.first_seen_at DESC, d.actual_date DESC, d.pre_date DESC, d.content
"""

# A version that the source went back to was seen later than the one it replaced for a while.
FINA_LATEST = """
CREATE VIEW fina_indicator_latest AS
SELECT DISTINCT ON (f.ts_code, f.end_date) f.*
FROM fina_indicator AS f
ORDER BY f.ts_code, f.end_date, f.ann_date DESC NULLS LAST, f.update_flag DESC NULLS LAST,
         f.last_seen_at DESC, f.first_seen_at DESC, f.content
"""

# Until a day ends in Shanghai, what is first seen then was known on it. Of what was seen later, the
# first content of the newest announcement by then is assumed, an original before its correction.
FINA_AS_OF = """
CREATE FUNCTION fina_indicator_asof(day date) RETURNS TABLE ({typed}, basis text)
LANGUAGE sql STABLE AS $$
SELECT DISTINCT ON (f.ts_code, f.end_date) {columns}, CASE WHEN f.known THEN 'known' ELSE 'assumed' END
FROM (
    SELECT *, first_seen_at < (day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' AS known
    FROM fina_indicator
) AS f
WHERE f.known OR f.ann_date <= day
ORDER BY f.ts_code, f.end_date, f.known DESC, f.ann_date DESC NULLS LAST,
         CASE WHEN f.known THEN f.update_flag ELSE -f.update_flag END DESC NULLS LAST,
         CASE WHEN f.known THEN f.first_seen_at END DESC, f.first_seen_at, f.content
$$
"""


def create_views(apps: Any, schema_editor: Any) -> None:
    model = apps.get_model("datasync_app", "FinaIndicator")
    fields = [field for field in model._meta.fields if field.column]
    quote = schema_editor.connection.ops.quote_name
    typed = ", ".join(f"{quote(f.column)} {f.db_type(schema_editor.connection)}" for f in fields)
    columns = ", ".join(f"f.{quote(field.column)}" for field in fields)
    schema_editor.execute(DISCLOSURE_LATEST)
    schema_editor.execute(FINA_LATEST)
    schema_editor.execute(FINA_AS_OF.format(typed=typed, columns=columns))


def drop_views(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("DROP FUNCTION fina_indicator_asof(date)")
    schema_editor.execute("DROP VIEW fina_indicator_latest")
    schema_editor.execute("DROP VIEW disclosure_date_latest")


class Migration(migrations.Migration):

    dependencies = [
        ('datasync_app', '0005_restatements'),
    ]

    operations = [
        migrations.CreateModel(
            name='DisclosureDate',
            fields=[
                ('pk', models.CompositePrimaryKey('ts_code', 'end_date', 'content', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ts_code', models.CharField(max_length=16)),
                ('end_date', models.DateField()),
                ('content', models.CharField(max_length=32)),
                ('ann_date', models.DateField(null=True)),
                ('pre_date', models.DateField(null=True)),
                ('actual_date', models.DateField(null=True)),
                ('modify_date', models.TextField(null=True)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'disclosure_date',
                'indexes': [models.Index(fields=['end_date', 'actual_date'], name='disclosure_by_period')],
            },
        ),
        migrations.CreateModel(
            name='FinaIndicator',
            fields=[
                ('pk', models.CompositePrimaryKey('ts_code', 'end_date', 'content', blank=True, editable=False, primary_key=True, serialize=False)),
                ('ts_code', models.CharField(max_length=16)),
                ('end_date', models.DateField()),
                ('ann_date', models.DateField(null=True)),
                ('update_flag', models.SmallIntegerField(null=True)),
                ('content', models.CharField(max_length=32)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('eps', models.FloatField(null=True)),
                ('dt_eps', models.FloatField(null=True)),
                ('total_revenue_ps', models.FloatField(null=True)),
                ('revenue_ps', models.FloatField(null=True)),
                ('capital_rese_ps', models.FloatField(null=True)),
                ('surplus_rese_ps', models.FloatField(null=True)),
                ('undist_profit_ps', models.FloatField(null=True)),
                ('extra_item', models.FloatField(null=True)),
                ('profit_dedt', models.FloatField(null=True)),
                ('gross_margin', models.FloatField(null=True)),
                ('current_ratio', models.FloatField(null=True)),
                ('quick_ratio', models.FloatField(null=True)),
                ('cash_ratio', models.FloatField(null=True)),
                ('invturn_days', models.FloatField(null=True)),
                ('arturn_days', models.FloatField(null=True)),
                ('inv_turn', models.FloatField(null=True)),
                ('ar_turn', models.FloatField(null=True)),
                ('ca_turn', models.FloatField(null=True)),
                ('fa_turn', models.FloatField(null=True)),
                ('assets_turn', models.FloatField(null=True)),
                ('op_income', models.FloatField(null=True)),
                ('valuechange_income', models.FloatField(null=True)),
                ('interst_income', models.FloatField(null=True)),
                ('daa', models.FloatField(null=True)),
                ('ebit', models.FloatField(null=True)),
                ('ebitda', models.FloatField(null=True)),
                ('fcff', models.FloatField(null=True)),
                ('fcfe', models.FloatField(null=True)),
                ('current_exint', models.FloatField(null=True)),
                ('noncurrent_exint', models.FloatField(null=True)),
                ('interestdebt', models.FloatField(null=True)),
                ('netdebt', models.FloatField(null=True)),
                ('tangible_asset', models.FloatField(null=True)),
                ('working_capital', models.FloatField(null=True)),
                ('networking_capital', models.FloatField(null=True)),
                ('invest_capital', models.FloatField(null=True)),
                ('retained_earnings', models.FloatField(null=True)),
                ('diluted2_eps', models.FloatField(null=True)),
                ('bps', models.FloatField(null=True)),
                ('ocfps', models.FloatField(null=True)),
                ('retainedps', models.FloatField(null=True)),
                ('cfps', models.FloatField(null=True)),
                ('ebit_ps', models.FloatField(null=True)),
                ('fcff_ps', models.FloatField(null=True)),
                ('fcfe_ps', models.FloatField(null=True)),
                ('netprofit_margin', models.FloatField(null=True)),
                ('grossprofit_margin', models.FloatField(null=True)),
                ('cogs_of_sales', models.FloatField(null=True)),
                ('expense_of_sales', models.FloatField(null=True)),
                ('profit_to_gr', models.FloatField(null=True)),
                ('saleexp_to_gr', models.FloatField(null=True)),
                ('adminexp_of_gr', models.FloatField(null=True)),
                ('finaexp_of_gr', models.FloatField(null=True)),
                ('impai_ttm', models.FloatField(null=True)),
                ('gc_of_gr', models.FloatField(null=True)),
                ('op_of_gr', models.FloatField(null=True)),
                ('ebit_of_gr', models.FloatField(null=True)),
                ('roe', models.FloatField(null=True)),
                ('roe_waa', models.FloatField(null=True)),
                ('roe_dt', models.FloatField(null=True)),
                ('roa', models.FloatField(null=True)),
                ('npta', models.FloatField(null=True)),
                ('roic', models.FloatField(null=True)),
                ('roe_yearly', models.FloatField(null=True)),
                ('roa2_yearly', models.FloatField(null=True)),
                ('roe_avg', models.FloatField(null=True)),
                ('opincome_of_ebt', models.FloatField(null=True)),
                ('investincome_of_ebt', models.FloatField(null=True)),
                ('n_op_profit_of_ebt', models.FloatField(null=True)),
                ('tax_to_ebt', models.FloatField(null=True)),
                ('dtprofit_to_profit', models.FloatField(null=True)),
                ('salescash_to_or', models.FloatField(null=True)),
                ('ocf_to_or', models.FloatField(null=True)),
                ('ocf_to_opincome', models.FloatField(null=True)),
                ('capitalized_to_da', models.FloatField(null=True)),
                ('debt_to_assets', models.FloatField(null=True)),
                ('assets_to_eqt', models.FloatField(null=True)),
                ('dp_assets_to_eqt', models.FloatField(null=True)),
                ('ca_to_assets', models.FloatField(null=True)),
                ('nca_to_assets', models.FloatField(null=True)),
                ('tbassets_to_totalassets', models.FloatField(null=True)),
                ('int_to_talcap', models.FloatField(null=True)),
                ('eqt_to_talcapital', models.FloatField(null=True)),
                ('currentdebt_to_debt', models.FloatField(null=True)),
                ('longdeb_to_debt', models.FloatField(null=True)),
                ('ocf_to_shortdebt', models.FloatField(null=True)),
                ('debt_to_eqt', models.FloatField(null=True)),
                ('eqt_to_debt', models.FloatField(null=True)),
                ('eqt_to_interestdebt', models.FloatField(null=True)),
                ('tangibleasset_to_debt', models.FloatField(null=True)),
                ('tangasset_to_intdebt', models.FloatField(null=True)),
                ('tangibleasset_to_netdebt', models.FloatField(null=True)),
                ('ocf_to_debt', models.FloatField(null=True)),
                ('ocf_to_interestdebt', models.FloatField(null=True)),
                ('ocf_to_netdebt', models.FloatField(null=True)),
                ('ebit_to_interest', models.FloatField(null=True)),
                ('longdebt_to_workingcapital', models.FloatField(null=True)),
                ('ebitda_to_debt', models.FloatField(null=True)),
                ('turn_days', models.FloatField(null=True)),
                ('roa_yearly', models.FloatField(null=True)),
                ('roa_dp', models.FloatField(null=True)),
                ('fixed_assets', models.FloatField(null=True)),
                ('profit_prefin_exp', models.FloatField(null=True)),
                ('non_op_profit', models.FloatField(null=True)),
                ('op_to_ebt', models.FloatField(null=True)),
                ('nop_to_ebt', models.FloatField(null=True)),
                ('ocf_to_profit', models.FloatField(null=True)),
                ('cash_to_liqdebt', models.FloatField(null=True)),
                ('cash_to_liqdebt_withinterest', models.FloatField(null=True)),
                ('op_to_liqdebt', models.FloatField(null=True)),
                ('op_to_debt', models.FloatField(null=True)),
                ('roic_yearly', models.FloatField(null=True)),
                ('total_fa_trun', models.FloatField(null=True)),
                ('profit_to_op', models.FloatField(null=True)),
                ('q_opincome', models.FloatField(null=True)),
                ('q_investincome', models.FloatField(null=True)),
                ('q_dtprofit', models.FloatField(null=True)),
                ('q_eps', models.FloatField(null=True)),
                ('q_netprofit_margin', models.FloatField(null=True)),
                ('q_gsprofit_margin', models.FloatField(null=True)),
                ('q_exp_to_sales', models.FloatField(null=True)),
                ('q_profit_to_gr', models.FloatField(null=True)),
                ('q_saleexp_to_gr', models.FloatField(null=True)),
                ('q_adminexp_to_gr', models.FloatField(null=True)),
                ('q_finaexp_to_gr', models.FloatField(null=True)),
                ('q_impair_to_gr_ttm', models.FloatField(null=True)),
                ('q_gc_to_gr', models.FloatField(null=True)),
                ('q_op_to_gr', models.FloatField(null=True)),
                ('q_roe', models.FloatField(null=True)),
                ('q_dt_roe', models.FloatField(null=True)),
                ('q_npta', models.FloatField(null=True)),
                ('q_opincome_to_ebt', models.FloatField(null=True)),
                ('q_investincome_to_ebt', models.FloatField(null=True)),
                ('q_dtprofit_to_profit', models.FloatField(null=True)),
                ('q_salescash_to_or', models.FloatField(null=True)),
                ('q_ocf_to_sales', models.FloatField(null=True)),
                ('q_ocf_to_or', models.FloatField(null=True)),
                ('basic_eps_yoy', models.FloatField(null=True)),
                ('dt_eps_yoy', models.FloatField(null=True)),
                ('cfps_yoy', models.FloatField(null=True)),
                ('op_yoy', models.FloatField(null=True)),
                ('ebt_yoy', models.FloatField(null=True)),
                ('netprofit_yoy', models.FloatField(null=True)),
                ('dt_netprofit_yoy', models.FloatField(null=True)),
                ('ocf_yoy', models.FloatField(null=True)),
                ('roe_yoy', models.FloatField(null=True)),
                ('bps_yoy', models.FloatField(null=True)),
                ('assets_yoy', models.FloatField(null=True)),
                ('eqt_yoy', models.FloatField(null=True)),
                ('tr_yoy', models.FloatField(null=True)),
                ('or_yoy', models.FloatField(null=True)),
                ('q_gr_yoy', models.FloatField(null=True)),
                ('q_gr_qoq', models.FloatField(null=True)),
                ('q_sales_yoy', models.FloatField(null=True)),
                ('q_sales_qoq', models.FloatField(null=True)),
                ('q_op_yoy', models.FloatField(null=True)),
                ('q_op_qoq', models.FloatField(null=True)),
                ('q_profit_yoy', models.FloatField(null=True)),
                ('q_profit_qoq', models.FloatField(null=True)),
                ('q_netprofit_yoy', models.FloatField(null=True)),
                ('q_netprofit_qoq', models.FloatField(null=True)),
                ('equity_yoy', models.FloatField(null=True)),
                ('rd_exp', models.FloatField(null=True)),
            ],
            options={
                'db_table': 'fina_indicator',
                'indexes': [models.Index(fields=['end_date', 'ts_code'], name='fina_by_period')],
            },
        ),
        migrations.RunPython(create_views, drop_views),
    ]
