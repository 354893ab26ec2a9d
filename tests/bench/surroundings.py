"""A PostgreSQL of the benchmarks' own, set up as the product's, and gone with them."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def private_database() -> Iterator[Path]:
    """Django on a fresh, migrated database with the product's server settings; gives the var folder."""
    from stocksync.postgres import keeper, server
    from stocksync.postgres.cluster import DATABASE, OWNER, Cluster

    folder = Path(tempfile.mkdtemp(prefix="stocksync-bench-"))
    folder.chmod(0o711)  # for root, whose server runs as another account
    cluster = Cluster(folder / "server", sync_on_init=False)
    try:
        cluster.run_dir.mkdir(parents=True)
        (cluster.run_dir / keeper.DISPOSABLE).touch()
        server.ensure(cluster)
        try:
            place = urllib.parse.quote(str(cluster.socket_dir), safe="")
            with server.connect_superuser(cluster) as connection:
                connection.execute(f"ALTER ROLE {OWNER} CREATEROLE")  # for the read-only role
            _set_up(folder / "var", f"postgresql://{OWNER}@/{DATABASE}?host={place}")
            yield folder / "var"
        finally:
            from django.db import connections

            connections.close_all()
            server.leave(cluster)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(var: Path, database_url: str) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "stocksync.settings",
        "DATABASE_URL": database_url,
        "STOCKSYNC_VAR": str(var),
        "TUSHARE_TOKEN": "",  # a developer's own is never used
        "TUSHARE_BASE_URL": "",
        "TUSHARE_RATE_LIMIT_MAX_CALLS": "1000000",
    }
    from django.core.management import call_command

    start_django()
    call_command("migrate", verbosity=0)


def start_django() -> None:
    """Here or in a process that was started from here; what it would log is no part of a table."""
    import django

    django.setup()
    logging.disable(logging.WARNING)
