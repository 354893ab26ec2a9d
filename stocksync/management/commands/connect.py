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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from scheduler_app.models import ExecutionLog, Status
from stocksync.postgres import base, server
from stocksync.postgres.cluster import DATABASE, OWNER, READER, SOCKET_PORT, Cluster
from stocksync.postgres.problems import PostgresProblem
from stocksync.postgres.reader import (
    allow_reader,
    current_user,
    grant_reading,
    reader_exists,
    role_statements,
)


class Command(BaseCommand):
    help = gettext_noop("Print a read-only address (DSN) of the database, for notebooks.")
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "--tcp",
            action="store_true",
            help=_("an address on 127.0.0.1, for programs that cannot use a Unix socket"),
        )
        parser.add_argument(
            "--new-password", action="store_true", help=_("first make the present address useless")
        )
        parser.add_argument(
            "--now", action="store_true", help=_("with --tcp: restart PostgreSQL even under a run")
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
            self.stderr.write(_("It answers while StockSync runs. It can read and never write."))

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
        port = cluster.port if options["tcp"] else SOCKET_PORT
        return address(password, DATABASE, host, str(port))

    def _open_tcp(self, cluster: Cluster, now: bool) -> None:
        running = ExecutionLog.objects.filter(status=Status.RUNNING).count()
        if running and not now:
            raise CommandError(
                _(
                    "PostgreSQL is restarted once to listen on TCP, and %d running execution(s) "
                    "would fail: wait for their end, or add --now."
                )
                % running
            )
        connection.close()
        server.open_tcp(cluster)

    def _external(self, password: str) -> str:
        connection.ensure_connection()
        raw: psycopg.Connection = connection.connection
        name, schema, owner = raw.info.dbname, settings.DATABASE_SCHEMA, current_user(raw)
        full = address(password, name, raw.info.host, str(raw.info.port))
        try:
            allow_reader(raw, password, database=name, schema=schema, owner=owner)
        except psycopg.errors.InsufficientPrivilege as error:
            if not reader_exists(raw):
                raise CommandError(_for_the_administrator(raw, password, name, error)) from error
            # Made by the administrator; the tables are ours all the same.
            grant_reading(raw, database=name, schema=schema, owner=owner)
            if not _opens(full):
                self.stderr.write(
                    _(
                        "The account of DATABASE_URL may not set the password of %s: the address is "
                        "without one, ask who made the role (~/.pgpass or PGPASSWORD can hold it)."
                    )
                    % READER
                )
                return address("", name, raw.info.host, str(raw.info.port))
        return full


def _for_the_administrator(
    raw: psycopg.Connection, password: str, database: str, error: psycopg.Error
) -> str:
    statements = role_statements(
        raw, password, database=database, exists=False, schema=settings.DATABASE_SCHEMA
    )
    lines = "\n".join(f"{statement.as_string(raw)};" for statement in statements)
    said = _(
        "The account of DATABASE_URL may not make the read-only role %(role)s (%(why)s). Let an "
        "administrator of that server run this, then run `connect` again:"
    ) % {"role": READER, "why": error.diag.message_primary}
    return f"{said}\n{lines}"


def _opens(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=server.CONNECT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def address(password: str, database: str, host: str, port: str) -> str:
    """A PostgreSQL URL; a socket's folder has no place before the slash."""
    login = f"{READER}:{quote(password, safe='')}" if password else READER
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
