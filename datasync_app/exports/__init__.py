"""What the database holds, as files that other tools read: Parquet, DuckDB, qlib."""
