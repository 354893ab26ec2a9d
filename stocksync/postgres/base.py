"""Django's PostgreSQL backend, plus what StockSync asks of a connection.

Our tables live in the schema named by `DATABASE_SCHEMA`, which `migrate` makes before anything else.
"""

from __future__ import annotations

from django.conf import settings
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def prepare_database(self) -> None:
        super().prepare_database()
        with self.cursor() as cursor:
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{settings.DATABASE_SCHEMA}"')
