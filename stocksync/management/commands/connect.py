"""`manage.py connect`: prints a read-only address of the database, for notebooks."""

from __future__ import annotations

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from scheduler_app.models import ExecutionLog, Status
from stocksync.postgres import base, server
from stocksync.postgres.cluster import DATABASE, OWNER, READER, Cluster
from stocksync.postgres.problems import PostgresProblem
from stocksync.postgres.reader import allow_reader


class Command(BaseCommand):
    help = "Print a read-only address (DSN) of the database, for notebooks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--tcp",
            action="store_true",
            help="an address on 127.0.0.1, for programs that cannot use a Unix socket",
        )
        parser.add_argument(
            "--new-password", action="store_true", help="first make the present address useless"
        )
        parser.add_argument(
            "--now", action="store_true", help="with --tcp: restart PostgreSQL even under a run"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = _password(settings.VAR_DIR / "reader-password", options["new_password"])
        try:
            if settings.DATABASE_IS_EMBEDDED:
                dsn = self._embedded(password, options)
            else:
                dsn = self._external(password)
        except PostgresProblem as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(dsn)
        if settings.DATABASE_IS_EMBEDDED:
            self.stderr.write("It answers while StockSync runs. It can read and never write.")

    def _embedded(self, password: str, options: dict[str, Any]) -> str:
        connection.ensure_connection()
        cluster = base.embedded()
        if options["tcp"] and not server.listens_on_tcp(cluster):
            self._open_tcp(cluster, options["now"])
        with server.connect_superuser(cluster, DATABASE) as superuser:
            allow_reader(
                superuser,
                password,
                database=DATABASE,
                schema=settings.DATABASE_SCHEMA,
                owner=OWNER,
            )
        host = "127.0.0.1" if options["tcp"] else str(cluster.socket_dir)
        return address(password, DATABASE, host, str(cluster.port))

    def _open_tcp(self, cluster: Cluster, now: bool) -> None:
        running = ExecutionLog.objects.filter(status=Status.RUNNING).count()
        if running and not now:
            raise CommandError(
                f"PostgreSQL is restarted once to listen on TCP, and {running} running execution(s) "
                "would fail: wait for their end, or add --now."
            )
        connection.close()
        server.open_tcp(cluster)

    def _external(self, password: str) -> str:
        connection.ensure_connection()
        raw: psycopg.Connection = connection.connection
        name = raw.info.dbname
        try:
            allow_reader(
                raw,
                password,
                database=name,
                schema=settings.DATABASE_SCHEMA,
                owner=raw.info.user,
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise CommandError(
                f"The account of DATABASE_URL may not make the read-only role {READER} "
                f"({error.diag.message_primary}): let it, with ALTER ROLE … CREATEROLE, or make "
                "the role yourself."
            ) from error
        return address(password, name, raw.info.host, str(raw.info.port))


def address(password: str, database: str, host: str, port: str) -> str:
    """A PostgreSQL URL; a socket's folder has no place before the slash."""
    login = f"{READER}:{quote(password, safe='')}"
    if host.startswith("/"):
        where = urlencode({"host": host, "port": port}, quote_via=quote)
        return f"postgresql://{login}@/{quote(database)}?{where}"
    host = f"[{host}]" if ":" in host else host
    return f"postgresql://{login}@{host}:{port}/{quote(database)}"


def _password(file: Path, renew: bool) -> str:
    """The password of the reader, made once and kept for its owner."""
    if renew or not file.exists():
        fresh = file.with_suffix(".new")
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with open(fresh, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(secrets.token_urlsafe(18) + "\n")
        fresh.rename(file)
    return file.read_text().strip()
