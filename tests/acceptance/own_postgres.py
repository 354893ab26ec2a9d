"""A PostgreSQL of one test module, to be stopped and started under the processes that use it."""

from __future__ import annotations

import subprocess
import urllib.parse
from pathlib import Path

import psycopg

from stocksync.postgres import binaries, server
from stocksync.postgres.account import owner_of
from stocksync.postgres.cluster import DATABASE, OWNER, Cluster


class OwnPostgres:
    def __init__(self, folder: Path) -> None:
        hasty = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
        self._cluster = Cluster(folder, settings=hasty, sync_on_init=False)
        self._cluster.prepare(lambda sentence: None)
        self.start()
        with server.connect_superuser(self._cluster) as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN")
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    @property
    def url(self) -> str:
        folder = urllib.parse.quote(str(self._cluster.socket_dir), safe="")
        return f"postgresql://{OWNER}@/{DATABASE}?host={folder}"

    def start(self) -> None:
        self._control("start", "--wait", "--log", "/dev/null")

    def stop(self) -> None:
        self._control("stop", "--wait", "--mode=fast")

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, options="-c search_path=stocksync") as connection:
            cursor = connection.execute(query.encode())
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
