"""The limiter's one step in the database, and the journal summed up by endpoint and day.

`tushare_take_slot` gives a slot, or the seconds to wait for one. It decides under an advisory lock
of its endpoint, which lasts as long as the statement, and by the database's clock (`moment` is for
tests). The lock comes before the clock is read, so that slots are taken in the order of their
times. Slots whose time has passed are removed on the way.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE FUNCTION tushare_take_slot(
    account text, endpoint text, most integer, window_seconds float8, timeout_seconds float8,
    moment timestamptz DEFAULT NULL,
    OUT slot bigint, OUT wait_seconds float8
) LANGUAGE plpgsql AS $$
DECLARE
    counted integer;
    held timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(account || ' ' || endpoint, 5462871));
    moment := coalesce(moment, clock_timestamp());
    DELETE FROM tushare_slot
        WHERE token_fingerprint = account AND api_name = endpoint AND frees_at <= moment;
    SELECT count(*) INTO counted FROM tushare_slot
        WHERE token_fingerprint = account AND api_name = endpoint;
    SELECT held_until INTO held FROM tushare_endpoint_access
        WHERE token_fingerprint = account AND api_name = endpoint;
    wait_seconds := greatest(coalesce(extract(epoch FROM held - moment)::float8, 0), 0);
    IF counted >= most THEN
        -- A call under way counts until its timeout and a window; answered now, for a window.
        SELECT greatest(
            wait_seconds, least(extract(epoch FROM frees_at - moment)::float8, window_seconds)
        ) INTO wait_seconds FROM tushare_slot
            WHERE token_fingerprint = account AND api_name = endpoint
            ORDER BY frees_at OFFSET counted - most LIMIT 1;
    END IF;
    IF wait_seconds <= 0 THEN
        INSERT INTO tushare_slot (token_fingerprint, api_name, frees_at)
            VALUES (account, endpoint,
                    moment + make_interval(secs => timeout_seconds + window_seconds))
            RETURNING id INTO slot;
    END IF;
END
$$;

ALTER TABLE tushare_slot SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

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

BACKWARD = """
DROP VIEW tushare_call_day;
DROP FUNCTION tushare_take_slot(text, text, integer, float8, float8, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [("datasync_app", "0003_quota")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
