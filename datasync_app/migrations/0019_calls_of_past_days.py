"""Past days of the journal are counted once and kept; the view counts what came since.

Counting the whole journal for each page took longer the more calls it held.
"""

from __future__ import annotations

from django.db import migrations, models

FORWARD = """
DROP VIEW tushare_call_day;

CREATE FUNCTION tushare_calls_by_day(since timestamptz, until timestamptz)
RETURNS TABLE (
    day date, token_fingerprint varchar, api_name varchar, calls bigint, "rows" bigint,
    p50_ms float8, p95_ms float8, waited_ms bigint, refusals bigint, failures bigint,
    quota_used float8
) LANGUAGE sql STABLE AS $$
    WITH journal AS (
        SELECT (at AT TIME ZONE 'Asia/Shanghai')::date AS day, * FROM tushare_call
        WHERE at >= since AND at < until
    ), by_minute AS (
        SELECT j.day, j.token_fingerprint, j.api_name,
               count(*)::float8 / greatest(max(j.quota), 1) AS used
        FROM journal AS j
        GROUP BY j.day, date_trunc('minute', j.at), j.token_fingerprint, j.api_name
    ), busiest AS (
        SELECT m.day, m.token_fingerprint, m.api_name, max(m.used) AS quota_used
        FROM by_minute AS m GROUP BY m.day, m.token_fingerprint, m.api_name
    ), by_day AS (
        SELECT j.day, j.token_fingerprint, j.api_name,
               count(*) AS calls,
               coalesce(sum(j."rows"), 0)::bigint AS "rows",
               percentile_cont(0.5) WITHIN GROUP (ORDER BY j.duration_ms) AS p50_ms,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY j.duration_ms) AS p95_ms,
               sum(j.waited_ms)::bigint AS waited_ms,
               count(*) FILTER (WHERE j.outcome IN ('rate_limited', 'denied')) AS refusals,
               count(*) FILTER (WHERE j.outcome IN ('bad_request', 'mismatched', 'transport'))
                   AS failures
        FROM journal AS j GROUP BY j.day, j.token_fingerprint, j.api_name
    )
    SELECT d.day, d.token_fingerprint, d.api_name, d.calls, d."rows", d.p50_ms, d.p95_ms,
           d.waited_ms, d.refusals, d.failures, b.quota_used
    FROM by_day AS d JOIN busiest AS b USING (day, token_fingerprint, api_name)
$$;

CREATE VIEW tushare_call_day AS
WITH counted AS (
    SELECT day, token_fingerprint, api_name, calls, "rows", p50_ms, p95_ms, waited_ms, refusals,
           failures, quota_used
    FROM tushare_past_day
    UNION ALL
    SELECT day, token_fingerprint, api_name, calls, "rows", p50_ms, p95_ms, waited_ms, refusals,
           failures, quota_used
    FROM tushare_calls_by_day(
        coalesce(
            ((SELECT max(day) + 1 FROM tushare_past_day)::timestamp AT TIME ZONE 'Asia/Shanghai'),
            '-infinity'),
        'infinity')
)
SELECT day || ' ' || token_fingerprint || ' ' || api_name AS id, counted.* FROM counted;
"""

BACKWARD = """
DROP VIEW tushare_call_day;
DROP FUNCTION tushare_calls_by_day(timestamptz, timestamptz);

CREATE VIEW tushare_call_day AS
WITH by_minute AS (
    SELECT (date_trunc('minute', at) AT TIME ZONE 'Asia/Shanghai')::date AS day,
           token_fingerprint, api_name,
           count(*)::float8 / greatest(max(quota), 1) AS used
    FROM tushare_call
    GROUP BY date_trunc('minute', at), token_fingerprint, api_name
), busiest AS (
    SELECT day, token_fingerprint, api_name, max(used) AS quota_used
    FROM by_minute GROUP BY day, token_fingerprint, api_name
), by_day AS (
    SELECT (at AT TIME ZONE 'Asia/Shanghai')::date AS day, token_fingerprint, api_name,
           count(*) AS calls,
           coalesce(sum("rows"), 0) AS "rows",
           percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) AS p50_ms,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_ms,
           sum(waited_ms) AS waited_ms,
           count(*) FILTER (WHERE outcome IN ('rate_limited', 'denied')) AS refusals,
           count(*) FILTER (WHERE outcome IN ('bad_request', 'mismatched', 'transport')) AS failures
    FROM tushare_call
    GROUP BY (at AT TIME ZONE 'Asia/Shanghai')::date, token_fingerprint, api_name
)
SELECT day || ' ' || token_fingerprint || ' ' || api_name AS id, by_day.*, quota_used
FROM by_day JOIN busiest USING (day, token_fingerprint, api_name);
"""


class Migration(migrations.Migration):
    dependencies = [("datasync_app", "0018_columns_not_asked")]

    operations = [
        migrations.CreateModel(
            name="PastDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("token_fingerprint", models.CharField(max_length=12)),
                ("api_name", models.CharField(max_length=64)),
                ("calls", models.BigIntegerField()),
                ("rows", models.BigIntegerField()),
                ("p50_ms", models.FloatField()),
                ("p95_ms", models.FloatField()),
                ("waited_ms", models.BigIntegerField()),
                ("refusals", models.BigIntegerField()),
                ("failures", models.BigIntegerField()),
                ("quota_used", models.FloatField()),
            ],
            options={"db_table": "tushare_past_day"},
        ),
        migrations.AddConstraint(
            model_name="pastday",
            constraint=models.UniqueConstraint(
                fields=("day", "token_fingerprint", "api_name"), name="past_day_once"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
