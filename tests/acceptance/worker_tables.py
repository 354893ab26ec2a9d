"""The tables of the workers' queue, in a schema of their own beside the test's, and gone with it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.acceptance.runscheduler import database_url, manage

WORKERS = {"SCHEDULER_DISPATCH": "procrastinate"}
_SCHEMA = "workers_queue"


@contextmanager
def worker_tables() -> Iterator[str]:
    """Make them; the address of the database in which a process finds them."""
    options = urllib.parse.quote(f"-c search_path={_SCHEMA},stocksync")
    url = f"{database_url(connection.settings_dict)}&options={options}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'procrastinate'")
    try:
        manage(url, "migrate", "procrastinate", "--skip-checks", **WORKERS)
        yield url
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA {_SCHEMA} CASCADE")
            cursor.execute("DELETE FROM django_migrations WHERE app = 'procrastinate'")
