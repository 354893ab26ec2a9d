"""Slots and holds outlive no clock that is set back.

By a clock set back by a day, what was written before it would count for a day too long, and its
endpoint would stand still. So taking a slot first brings what lies too far ahead down to where it
would be, had it been written now: never too early. Set forward, the clock frees the slots of the
last window early; nothing shows that afterwards, and the refusal that may follow holds the endpoint
and teaches.
"""

from __future__ import annotations

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION tushare_take_slot(
    account text, endpoint text, most integer, window_seconds float8, timeout_seconds float8,
    moment timestamptz DEFAULT NULL,
    OUT slot bigint, OUT wait_seconds float8
) LANGUAGE plpgsql AS $$
DECLARE
    counted integer;
    held timestamptz;
    latest timestamptz;
    furthest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(account || ' ' || endpoint, 5462871));
    moment := coalesce(moment, clock_timestamp());
    furthest := moment + make_interval(secs => timeout_seconds + window_seconds);
    DELETE FROM tushare_slot
        WHERE token_fingerprint = account AND api_name = endpoint AND frees_at <= moment;
    SELECT count(*), max(frees_at) INTO counted, latest FROM tushare_slot
        WHERE token_fingerprint = account AND api_name = endpoint;
    SELECT held_until INTO held FROM tushare_endpoint_access
        WHERE token_fingerprint = account AND api_name = endpoint;
    -- clamp
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
            VALUES (account, endpoint, furthest) RETURNING id INTO slot;
    END IF;
END
$$;
"""
CLAMP = """
    IF latest > furthest THEN
        UPDATE tushare_slot SET frees_at = furthest
            WHERE token_fingerprint = account AND api_name = endpoint AND frees_at > furthest;
    END IF;
    IF held > furthest THEN
        held := furthest;
        UPDATE tushare_endpoint_access SET held_until = furthest
            WHERE token_fingerprint = account AND api_name = endpoint;
    END IF;
"""
FORWARD = FUNCTION.replace("    -- clamp\n", CLAMP.lstrip("\n"))


class Migration(migrations.Migration):
    dependencies = [("datasync_app", "0013_concept_views")]

    operations = [migrations.RunSQL(FORWARD, FUNCTION)]
