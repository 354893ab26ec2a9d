"""Django's PostgreSQL backend, plus what StockSync asks of a connection.

Without `DATABASE_URL` the first connection of a process makes sure that the embedded server runs,
and a connection that fails makes sure again. Our tables live in the schema named by
`DATABASE_SCHEMA`, which `migrate` makes before anything else.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base

from stocksync.postgres import server
from stocksync.postgres.cluster import SOCKET_PORT, Cluster
from stocksync.postgres.problems import PostgresProblem

RECOVERY_SECONDS = 20.0  # a web request waits no longer than this for a server that went away

_reached: set[Cluster] = set()  # servers this process has been connected to


def embedded() -> Cluster:
    """The embedded server of this installation."""
    return Cluster(settings.VAR_DIR)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        if self._is_embedded():
            cluster = embedded()
            params |= {"host": str(cluster.socket_dir), "port": SOCKET_PORT}
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self._is_embedded():
            return super().get_new_connection(conn_params)
        cluster = embedded()
        try:
            server.use(cluster)
            try:
                connection = super().get_new_connection(conn_params)
            except psycopg.OperationalError:
                wait = RECOVERY_SECONDS if cluster in _reached else server.START_SECONDS
                server.ensure(cluster, wait=wait)
                # Asked again: a start may have chosen another socket.
                where = {"host": str(cluster.socket_dir), "port": SOCKET_PORT}
                connection = super().get_new_connection(conn_params | where)
        except PostgresProblem as problem:
            raise OperationalError(str(problem)) from problem
        _reached.add(cluster)
        return connection

    def prepare_database(self) -> None:
        super().prepare_database()
        with self.cursor() as cursor:
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{settings.DATABASE_SCHEMA}"')

    def _is_embedded(self) -> bool:
        return settings.DATABASE_IS_EMBEDDED and not self.settings_dict["HOST"]
