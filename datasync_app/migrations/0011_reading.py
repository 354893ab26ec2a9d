"""The data as notebooks read them: adjusted prices, the universe of a day, proof of completeness.

Nothing here is stored and nothing is rounded. Where a factor is missing, an adjusted price is NULL.
"""

from __future__ import annotations

from django.db import migrations

PRICES = ("open", "high", "low", "close", "pre_close")

BACKWARD = f"""
CREATE VIEW daily_backward AS
SELECT d.trade_date, d.ts_code,
       {", ".join(f"d.{price} * f.adj_factor AS {price}" for price in PRICES)},
       d.vol, d.amount, f.adj_factor
FROM daily d LEFT JOIN adj_factor f ON f.trade_date = d.trade_date AND f.ts_code = d.ts_code
"""

# The codes by a walk over the index: a DISTINCT would read every row of the table.
FORWARD = f"""
CREATE FUNCTION daily_forward(asof date)
RETURNS TABLE (
    trade_date date, ts_code varchar,
    {", ".join(f"{price} float8" for price in PRICES)},
    vol float8, amount float8, adj_factor float8
) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE code AS (
        (SELECT d.ts_code FROM daily d ORDER BY d.ts_code LIMIT 1)
        UNION ALL
        SELECT (
            SELECT d.ts_code FROM daily d WHERE d.ts_code > code.ts_code
            ORDER BY d.ts_code LIMIT 1
        ) FROM code WHERE code.ts_code IS NOT NULL
    ), base AS (
        SELECT code.ts_code, (
            SELECT a.adj_factor FROM adj_factor a
            WHERE a.ts_code = code.ts_code AND a.trade_date <= asof
            ORDER BY a.trade_date DESC LIMIT 1
        ) AS adj_factor FROM code WHERE code.ts_code IS NOT NULL
    )
    SELECT d.trade_date, d.ts_code,
           {", ".join(f"d.{price} * f.adj_factor / base.adj_factor" for price in PRICES)},
           d.vol, d.amount, f.adj_factor / base.adj_factor
    FROM daily d
    JOIN base ON base.ts_code = d.ts_code
    LEFT JOIN adj_factor f ON f.trade_date = d.trade_date AND f.ts_code = d.ts_code
    WHERE d.trade_date <= asof
$$
"""

# Chains are followed: what was renumbered twice is still one instrument.
INSTRUMENT = """
CREATE VIEW instrument AS
WITH RECURSIVE step AS (
    SELECT old_code AS ts_code, new_code AS instrument FROM code_change
    UNION
    SELECT step.ts_code, next.new_code
    FROM step JOIN code_change next ON next.old_code = step.instrument
)
SELECT ts_code, instrument FROM step
WHERE NOT EXISTS (SELECT 1 FROM code_change c WHERE c.old_code = step.instrument)
"""

UNIVERSE = """
CREATE FUNCTION universe(day date)
RETURNS TABLE (
    ts_code varchar, instrument varchar, name text, list_date date, delist_date date,
    has_bar boolean
) LANGUAGE sql STABLE AS $$
    WITH bar AS (
        SELECT d.ts_code FROM daily d WHERE d.trade_date = day
    ), listed AS (
        SELECT b.ts_code FROM stock_basic b
        WHERE b.list_date <= day
          AND (day < b.delist_date OR (b.delist_date IS NULL AND b.list_status <> 'D'))
          -- The Beijing exchange opened that day; its companies carry older listing dates.
          AND NOT (day < DATE '2021-11-15' AND b.ts_code LIKE '%.BJ')
    ), candidate AS (
        SELECT code.ts_code, coalesce(i.instrument, code.ts_code) AS instrument,
               code.ts_code IN (SELECT bar.ts_code FROM bar) AS has_bar,
               coalesce(day < c.from_date, true) AND NOT EXISTS (
                   SELECT 1 FROM code_change n
                   WHERE n.new_code = code.ts_code AND day < n.from_date
               ) AS is_its_code
        FROM (SELECT bar.ts_code FROM bar UNION SELECT listed.ts_code FROM listed) code
        LEFT JOIN instrument i ON i.ts_code = code.ts_code
        LEFT JOIN code_change c ON c.old_code = code.ts_code
    ), one AS (
        SELECT DISTINCT ON (instrument) * FROM candidate
        ORDER BY instrument, has_bar DESC, is_its_code DESC, ts_code
    )
    SELECT one.ts_code, one.instrument,
           coalesce(
               (SELECT n.name FROM namechange n
                WHERE n.ts_code = one.ts_code AND n.start_date <= day
                  AND (n.end_date IS NULL OR day <= n.end_date)
                ORDER BY n.start_date DESC LIMIT 1),
               b.name
           ),
           b.list_date, b.delist_date, one.has_bar
    FROM one LEFT JOIN stock_basic b ON b.ts_code = one.ts_code
$$
"""

# Only what is cut by trade date can be proved from the calendar and the ledger alone.
ASSERT_COMPLETE = """
CREATE FUNCTION assert_complete(wanted text, first_day date, last_day date)
RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    lacking text[];
    unknown text;
BEGIN
    IF wanted NOT IN ('daily', 'adj_factor', 'daily_basic', 'suspend_d') THEN
        RAISE EXCEPTION 'assert_complete proves daily, adj_factor, daily_basic and suspend_d; '
            'for % ask manage.py coverage.', wanted;
    END IF;
    IF first_day > last_day THEN
        RAISE EXCEPTION 'The range is empty: % lies after %.', first_day, last_day;
    END IF;
    SELECT string_agg(year::text, ', ' ORDER BY year) INTO unknown
    FROM generate_series(
        extract(year FROM first_day)::int, extract(year FROM last_day)::int
    ) AS year
    WHERE NOT EXISTS (
        SELECT 1 FROM sync_ledger l
        WHERE l.dataset = 'trade_cal' AND l.cell = 'SSE:' || year AND l.state = 'complete'
    );
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'The calendar of % is not held, so nobody can say which days were open.',
            unknown;
    END IF;
    SELECT array_agg(day.cell || ' (' || coalesce(
               nullif(concat_ws(': ', l.state, nullif(l.last_error, '')), ''), 'never fetched'
           ) || ')' ORDER BY day.cell)
    INTO lacking
    FROM (
        SELECT DISTINCT to_char(c.cal_date, 'YYYYMMDD') AS cell FROM trade_cal c
        WHERE c.cal_date BETWEEN first_day AND last_day AND c.is_open = 1
    ) day
    LEFT JOIN sync_ledger l ON l.dataset = wanted AND l.cell = day.cell
    WHERE l.state IS NULL OR l.state NOT IN ('complete', 'empty_confirmed');
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION '% is not complete from % to %: % of its days are missing: %',
            wanted, first_day, last_day, cardinality(lacking),
            array_to_string(lacking[:20], '; ')
                || CASE WHEN cardinality(lacking) > 20 THEN '; and more' ELSE '' END
            USING DETAIL = array_to_string(lacking, '; ');
    END IF;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("datasync_app", "0010_ledger_cells_to_ask")]

    operations = [
        migrations.RunSQL(BACKWARD, "DROP VIEW daily_backward"),
        migrations.RunSQL(FORWARD, "DROP FUNCTION daily_forward(date)"),
        migrations.RunSQL(INSTRUMENT, "DROP VIEW instrument"),
        migrations.RunSQL(UNIVERSE, "DROP FUNCTION universe(date)"),
        migrations.RunSQL(ASSERT_COMPLETE, "DROP FUNCTION assert_complete(text, date, date)"),
    ]
