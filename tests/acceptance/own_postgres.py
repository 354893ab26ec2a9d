"""A PostgreSQL of one test module, to be stopped and started under the processes that use it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection

from stocksync.postgres import binaries, dump, server
from stocksync.postgres.account import owner_of
from stocksync.postgres.cluster import DATABASE, OWNER, Cluster


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """One that holds what the test's database holds: the tables as the migrations left them."""
    # Not pytest's folder: it is closed to the account that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="stocksync-own-"))
    folder.chmod(0o711)
    own = OwnPostgres(folder)
    try:
        own.fill(folder / "dump")
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder)


class OwnPostgres:
    def __init__(self, folder: Path) -> None:
        hasty = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
        self._cluster = Cluster(folder, settings=hasty, sync_on_init=False)
        self._cluster.prepare(lambda sentence: None)
        self.start()
        with server.connect_superuser(self._cluster) as superuser:
            superuser.execute(f"CREATE ROLE {OWNER} LOGIN")
            superuser.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    @property
    def url(self) -> str:
        folder = urllib.parse.quote(str(self._cluster.socket_dir), safe="")
        return f"postgresql://{OWNER}@/{DATABASE}?host={folder}"

    def start(self) -> None:
        self._control("start", "--wait", "--log", "/dev/null")

    def stop(self) -> None:
        self._control("stop", "--wait", "--mode=fast")

    def fill(self, file: Path) -> None:
        """By a dump, which takes a tenth of what the migrations take."""
        schema = settings.DATABASE_SCHEMA
        source = dump.libpq_parameters(connection.get_connection_params())
        own = {"host": str(self._cluster.socket_dir), "user": OWNER, "dbname": DATABASE}
        with psycopg.connect(self.url, autocommit=True) as mine:
            version = mine.info.server_version
            dump.backup(source, version, schema, file)
            dump.restore(mine, own, version, schema, file)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, options="-c search_path=stocksync") as asking:
            cursor = asking.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def _control(self, *arguments: str) -> None:
        account = owner_of(self._cluster.data_dir)
        subprocess.run(
            [
                str(binaries.program("pg_ctl")),
                "--pgdata",
                str(self._cluster.data_dir),
                *arguments,
            ],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            **account.demotion(),
        )
