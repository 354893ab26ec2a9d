"""Backup and restore with PostgreSQL's own programs, on whichever server is configured."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from stocksync.postgres import binaries
from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _

SET_ASIDE = "{schema}_before_restore"
# Of the database server: held while the schema is set aside. Any number that is ours will do.
RESTORE_LOCK = 8_153_207_114


def libpq_parameters(params: Mapping[str, object]) -> dict[str, str]:
    """Of Django's connection parameters, those that PostgreSQL's programs know too."""
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    return {key: str(value) for key, value in params.items() if key in known - {"options"}}


def backup(params: Mapping[str, str], server_version: int, schema: str, file: Path) -> None:
    """Write everything in the schema to `file`, readable by its owner only.

    Raises:
        PostgresProblem: the file cannot be written, or pg_dump failed.
    """
    part = file.with_name(file.name + ".part")  # a broken backup never has the name of a good one
    try:
        _run("pg_dump", params, server_version, "--format=custom", "--no-owner",
             "--no-privileges", f"--schema={schema}", f"--file={part}")  # fmt: skip
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def check_is_backup(file: Path, server_version: int, schema: str) -> None:
    """Refuse what is no backup of ours, before anything is touched."""
    answer = subprocess.run(
        [_program("pg_restore", server_version), "--list", file],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise PostgresProblem(
            _(
                "%(file)s is no backup that can be read here: %(reason)s. Give a file that "
                "`manage.py backup` wrote."
            )
            % {"file": file, "reason": _reason(answer.stderr)}
        )
    if f" SCHEMA - {schema} " not in answer.stdout:
        raise PostgresProblem(
            _("%(file)s is a PostgreSQL backup, but not one of StockSync.") % {"file": file}
        )


def restore(
    connection: psycopg.Connection,
    params: Mapping[str, str],
    server_version: int,
    schema: str,
    file: Path,
) -> None:
    """Put the backup in the place of everything in the schema, or leave all as it was.

    The present schema is set aside under another name and dropped at the end; `connection` must
    be in autocommit mode. An interrupted restore is undone by the next start.

    Raises:
        PostgresProblem: pg_restore failed; the schema is what it was before.
    """
    undo_interrupted_restore(connection, schema)
    with _restore_lock(connection):
        _replace(connection, params, server_version, schema, file)


def undo_interrupted_restore(connection: psycopg.Connection, schema: str) -> bool:
    """Bring back what a killed restore had set aside; whether there was anything.

    Raises:
        PostgresProblem: a restore is going on at this moment.
    """
    aside = SET_ASIDE.format(schema=schema)
    if not _exists(connection, aside):
        return False
    with _restore_lock(connection):
        _put_back(connection, aside, schema)
    return True


@contextlib.contextmanager
def _restore_lock(connection: psycopg.Connection) -> Iterator[None]:
    taken = connection.execute("SELECT pg_try_advisory_lock(%s)", [RESTORE_LOCK]).fetchone()
    if taken != (True,):
        raise PostgresProblem(_("A restore is going on in this database: wait for its end."))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [RESTORE_LOCK])


def _replace(
    connection: psycopg.Connection,
    params: Mapping[str, str],
    server_version: int,
    schema: str,
    file: Path,
) -> None:
    aside = SET_ASIDE.format(schema=schema)
    if _exists(connection, schema):
        _rename(connection, schema, aside)
    try:
        _run("pg_restore", params, server_version, "--single-transaction", "--exit-on-error",
             "--no-owner", "--no-privileges", str(file))  # fmt: skip
    except BaseException:
        if _exists(connection, aside):
            _put_back(connection, aside, schema)
        raise
    _drop(connection, aside)


def _run(name: str, params: Mapping[str, str], server_version: int, *arguments: str) -> None:
    # The password goes by the environment: arguments are visible to everybody on the machine.
    shown = {key: value for key, value in params.items() if key != "password"}
    command = [str(_program(name, server_version)), *arguments]
    command.insert(1, f"--dbname={psycopg.conninfo.make_conninfo(**shown)}")
    environment = os.environ | {"PGPASSWORD": params.get("password", "")}
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, umask=0o077
    )
    if answer.returncode:
        raise PostgresProblem(
            _("%(name)s failed: %(reason)s.") % {"name": name, "reason": _reason(answer.stderr)}
        )


def _program(name: str, server_version: int) -> Path:
    major = server_version // 10000
    for install in (binaries.SERVER, binaries.NEWER):
        if major <= binaries.major_version(install):
            return binaries.program(name, install)
    raise PostgresProblem(
        _(
            "The server is PostgreSQL %(major)s, newer than the programs that StockSync "
            "brings: use its own %(name)s."
        )
        % {"major": major, "name": name}
    )


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if "error" in line.lower()]
    return (lines or [stderr.strip() or "it said nothing"])[0].rstrip(".")


def _exists(connection: psycopg.Connection, schema: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
    return found.fetchone() is not None


def _rename(connection: psycopg.Connection, old: str, new: str) -> None:
    connection.execute(
        sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
    )


def _drop(connection: psycopg.Connection, schema: str) -> None:
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _put_back(connection: psycopg.Connection, aside: str, schema: str) -> None:
    _drop(connection, schema)
    _rename(connection, aside, schema)
