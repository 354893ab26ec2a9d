"""Concepts as people read them: `concept_now`, and `concept_asof(day)` as they were known to hold."""

from __future__ import annotations

from django.db import migrations

# Ids are reused: a constituent belongs to the concept that had the id at the same time.
INTERVALS = """
CREATE VIEW concept_interval AS
SELECT source, concept_id, concept_name, ts_code, name,
       greatest(list_from, member_from) AS valid_from, least(list_to, member_to) AS valid_to
FROM (
    SELECT 'ths' AS source, i.ts_code AS concept_id, i.name AS concept_name,
           m.con_code AS ts_code, m.con_name AS name,
           i.valid_from AS list_from, i.valid_to AS list_to,
           m.valid_from AS member_from, m.valid_to AS member_to
    FROM ths_index i JOIN ths_member m ON m.ts_code = i.ts_code
    UNION ALL
    SELECT 'dc', i.ts_code, i.name, m.con_code, m.name,
           i.valid_from, i.valid_to, m.valid_from, m.valid_to
    FROM dc_index i JOIN dc_member m ON m.ts_code = i.ts_code
    UNION ALL
    SELECT 'concept', i.code, i.name, m.ts_code, m.name,
           i.valid_from, i.valid_to, m.valid_from, m.valid_to
    FROM concept i JOIN concept_detail m ON m.id = i.code AND m.concept_name = i.name
) AS both_sides
WHERE greatest(list_from, member_from)
      < coalesce(least(list_to, member_to), 'infinity'::date);

CREATE VIEW concept_now AS
SELECT source, concept_id, concept_name, ts_code, name, valid_from
FROM concept_interval WHERE valid_to IS NULL;

CREATE FUNCTION concept_asof(day date)
RETURNS TABLE (source text, concept_id varchar, concept_name varchar, ts_code varchar, name text)
LANGUAGE sql STABLE AS $$
    SELECT source, concept_id, concept_name, ts_code, name FROM concept_interval
    WHERE valid_from <= day AND (valid_to IS NULL OR day < valid_to)
$$;
"""

BACK = """
DROP FUNCTION concept_asof(date);
DROP VIEW concept_now;
DROP VIEW concept_interval;
"""


class Migration(migrations.Migration):
    dependencies = [("datasync_app", "0012_concepts")]

    operations = [migrations.RunSQL(INTERVALS, BACK)]
