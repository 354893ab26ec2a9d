"""The read-only role for notebooks: it sees the data, and nothing that opens a door."""

from __future__ import annotations

import psycopg
from psycopg import sql

from stocksync.postgres.cluster import READER

# Password hashes, API tokens and sessions are no data.
CLOSED_TABLES = ("auth_user", "knox_authtoken", "django_session")


def allow_reader(
    connection: psycopg.Connection, password: str, *, database: str, schema: str, owner: str
) -> None:
    """Make the role when missing, set its password, and let it read what `owner` made or makes."""
    secret = connection.pgconn.encrypt_password(
        password.encode(), READER.encode(), b"scram-sha-256"
    ).decode()
    names = {
        "reader": sql.Identifier(READER),
        "database": sql.Identifier(database),
        "schema": sql.Identifier(schema),
        "owner": sql.Identifier(owner),
        "secret": sql.Literal(secret),
    }
    if not reader_exists(connection):
        connection.execute(sql.SQL("CREATE ROLE {reader} LOGIN").format(**names))
    for statement in (
        "ALTER ROLE {reader} LOGIN PASSWORD {secret}",
        "ALTER ROLE {reader} SET default_transaction_read_only = on",
        "ALTER ROLE {reader} IN DATABASE {database} SET search_path = {schema}",
        "GRANT CONNECT ON DATABASE {database} TO {reader}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    grant_reading(connection, schema=schema, owner=owner)


def grant_reading(connection: psycopg.Connection, *, schema: str, owner: str) -> None:
    """What the role may read; again after a restore, which makes every table anew."""
    names = {
        "reader": sql.Identifier(READER),
        "schema": sql.Identifier(schema),
        "owner": sql.Identifier(owner),
    }
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {reader}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}"
        " GRANT SELECT ON TABLES TO {reader}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    for table in CLOSED_TABLES:
        found = connection.execute("SELECT to_regclass(%s)", [f"{schema}.{table}"]).fetchone()
        if found is not None and found[0] is not None:
            connection.execute(
                sql.SQL("REVOKE ALL ON {}.{} FROM {}").format(
                    names["schema"], sql.Identifier(table), names["reader"]
                )
            )


def reader_exists(connection: psycopg.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER])
    return found.fetchone() is not None
