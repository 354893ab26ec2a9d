"""A DuckDB file of views over an exported folder: it has no rows, and shows those of the next export too."""

from __future__ import annotations

from pathlib import Path

import duckdb

from datasync_app.exports.folder import replaced
from datasync_app.exports.parquet import MANIFEST, read_manifest

_PRICES = ("open", "high", "low", "close", "pre_close")
_ADJUSTED = ", ".join(f"d.{name} * f.adj_factor AS {name}" for name in _PRICES)
_FORWARD = ", ".join(f"d.{name} * f.adj_factor / base.adj_factor AS {name}" for name in _PRICES)

# As in the database: raw price times the factor of its day, or relative to the last one by a date.
_BACKWARD = f"""
    CREATE VIEW daily_backward AS
    SELECT d.trade_date, d.ts_code, {_ADJUSTED}, d.vol, d.amount, f.adj_factor
    FROM daily AS d LEFT JOIN adj_factor AS f USING (trade_date, ts_code)
"""  # noqa: S608 (names of our own)
_FORWARD_AT = f"""
    CREATE MACRO daily_forward(day) AS TABLE
    SELECT d.trade_date, d.ts_code, {_FORWARD}, d.vol, d.amount,
           f.adj_factor / base.adj_factor AS adj_factor
    FROM daily AS d
    JOIN (
        SELECT ts_code, arg_max(adj_factor, trade_date) AS adj_factor
        FROM adj_factor WHERE trade_date <= day GROUP BY ts_code
    ) AS base USING (ts_code)
    LEFT JOIN adj_factor AS f USING (trade_date, ts_code)
    WHERE d.trade_date <= day
"""  # noqa: S608
_LATEST = """
    CREATE VIEW fina_indicator_latest AS
    SELECT * FROM fina_indicator
    QUALIFY row_number() OVER (
        PARTITION BY ts_code, end_date
        ORDER BY ann_date DESC NULLS LAST, update_flag DESC NULLS LAST, is_current DESC,
                 first_seen_at DESC
    ) = 1
"""
# What the export could not prove: asked of the manifest, so that it is that of the files.
_GAPS = """
    CREATE VIEW export_gap AS
    SELECT dataset, cell, json_extract_string(gaps, '$."' || cell || '"') AS why
    FROM (
        SELECT dataset, gaps, unnest(json_keys(gaps)) AS cell
        FROM (
            SELECT dataset, json_extract(datasets, '$.' || dataset || '.not_good') AS gaps
            FROM (SELECT datasets, unnest(json_keys(datasets)) AS dataset
                  FROM read_json('{manifest}', columns = {{datasets: 'JSON'}}))
        )
    )
"""


def write_duckdb(file: Path, folder: Path) -> list[str]:
    """Write the file aside and rename it; gives the names of the views in it.

    Raises:
        ExportRefused: the file cannot be written there.
    """
    folder = folder.absolute()
    held = [name for name, told in read_manifest(folder)["datasets"].items() if told["partitions"]]
    with replaced(file) as aside, _database(aside) as database:
        for name in held:
            files = _text(folder / name / "**" / "*.parquet")
            database.execute(
                f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files}, hive_partitioning = false)"  # noqa: S608
            )
        if {"daily", "adj_factor"} <= set(held):
            database.execute(_BACKWARD)
            database.execute(_FORWARD_AT)
        if "fina_indicator" in held:
            database.execute(_LATEST)
        database.execute(_GAPS.format(manifest=_text(folder / MANIFEST)[1:-1]))
        found = database.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        return sorted(name for (name,) in found.fetchall())


def _database(file: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(file)
    except duckdb.IOException as error:
        raise OSError(None, str(error)) from None


def _text(path: Path) -> str:
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"
