"""The database as the migrations left it, brought back after a test that committed.

Django's `flush` truncates every table there is and makes all permissions anew, a quarter of a second
for a test that wrote one row. Here only what differs is put right.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, transaction

# A table whose file is larger is truncated, as deleting would leave it as large; in bytes.
LARGE = 256 * 1024
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_REFERENCED = "SELECT DISTINCT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"


@dataclass(frozen=True)
class Seed:
    """The rows that a table has from the beginning, as COPY writes them."""

    columns: str
    rows: bytes
    digest: str


class CleanTables:
    """Made when the migrations have run; `restore` brings back how the tables stood then."""

    def __init__(self) -> None:
        self._seeds: dict[str, Seed] = {}
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        self._tables = sorted(names)
        with connection.cursor() as cursor:
            cursor.execute(_REFERENCED)
            self._referenced = {name for (name,) in cursor.fetchall()}
            for table, (digest, _size) in self._state().items():
                if digest:
                    cursor.execute(_COLUMNS, [table])
                    [(columns,)] = cursor.fetchall()
                    with cursor.copy(f"COPY {table} ({columns}) TO STDOUT") as rows:
                        self._seeds[table] = Seed(columns, b"".join(rows), digest)

    def restore(self) -> None:
        """Every table has the rows of the beginning again, and no others; sequences go on."""
        state = self._state()
        wrong = [name for name, (digest, _) in state.items() if digest != self._digest_of(name)]
        if not wrong:
            return
        seeded = [name for name in wrong if name in self._seeds]
        with transaction.atomic(), connection.cursor() as cursor:
            # The triggers would change the rows that are put back.
            for table in seeded:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for table in wrong:
                is_large = state[table][1] > LARGE and table not in self._referenced
                cursor.execute(f"TRUNCATE {table}" if is_large else f"DELETE FROM {table}")  # noqa: S608
            for table in seeded:
                with cursor.copy(f"COPY {table} ({self._seeds[table].columns}) FROM STDIN") as rows:
                    rows.write(self._seeds[table].rows)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in seeded:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def _digest_of(self, table: str) -> str | None:
        return self._seeds[table].digest if table in self._seeds else None

    def _state(self) -> dict[str, tuple[str | None, int]]:
        """A digest of the rows of each table, None for an empty one, and the bytes of its file."""
        queries = " UNION ALL ".join(
            f"SELECT '{table}', {self._digest_sql(table)}, pg_relation_size('{table}')"
            for table in self._tables
        )
        with connection.cursor() as cursor:
            cursor.execute(queries)
            return {table: (digest, size) for table, digest, size in cursor.fetchall()}

    def _digest_sql(self, table: str) -> str:
        if self._seeds and table not in self._seeds:
            return f"CASE WHEN EXISTS (SELECT FROM {table}) THEN 'rows' END"
        return f"(SELECT md5(string_agg(row::text, ' ' ORDER BY row::text)) FROM {table} AS row)"  # noqa: S608
