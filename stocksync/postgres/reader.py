"""The read-only role for notebooks: it sees the data, and nothing that opens a door.

What PostgreSQL grants everybody and nobody can take back stays: a role may change its own password
(`connect` sets ours again), and it may take advisory locks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import LiteralString

import psycopg
from psycopg import sql

from stocksync.postgres.cluster import READER

# By name: a table that is not here is closed. Password hashes, API tokens, sessions and
# the addresses of channels are no data.
READABLE = (
    "trade_cal",
    "stock_basic",
    "daily",
    "disclosure_date",
    "disclosure_date_latest",
    "fina_indicator",
    "fina_indicator_latest",
    "adj_factor",
    "daily_basic",
    "suspend_d",
    "index_daily",
    "namechange",
    "bse_mapping",
    "code_change",
    "daily_backward",
    "instrument",
    "ths_index",
    "ths_member",
    "dc_index",
    "dc_member",
    "concept",
    "concept_detail",
    "concept_interval",
    "concept_now",
    "sync_ledger",
    "sync_restatement",
    "sync_quarantine",
    "sync_task",
    "sync_shard",
    "sync_failure_record",
    "sync_source_identity",
    "sync_dataset_state",
    "tushare_endpoint_access",
    "tushare_account",
    "tushare_slot",
    "tushare_call",
    "tushare_call_day",
    "tushare_past_day",
    "scheduler_job_config",
    "scheduler_job_config_history",
    "scheduler_job_state",
    "scheduler_live_log",
    "scheduler_execution_log",
    "scheduler_process",
    "scheduler_lease",
    "scheduler_revision",
    "scheduler_stop_request",
    "scheduler_notification",
)
# Large objects belong to whoever makes them, so a role that may read only must make none.
LARGE_OBJECT_MAKERS: tuple[LiteralString, ...] = (
    "pg_catalog.lo_creat(integer)",
    "pg_catalog.lo_create(oid)",
    "pg_catalog.lo_from_bytea(oid, bytea)",
    "pg_catalog.lo_import(text)",
    "pg_catalog.lo_import(text, oid)",
)


def allow_reader(
    connection: psycopg.Connection, password: str, *, database: str, schema: str, owner: str
) -> None:
    """Make the role when missing, set its password, and let it read what is data.

    Raises:
        psycopg.errors.InsufficientPrivilege: this account may not make or alter the role.
    """
    with connection.transaction():
        for statement in role_statements(
            connection, password, database=database, exists=reader_exists(connection), schema=schema
        ):
            connection.execute(statement)
    grant_reading(connection, database=database, schema=schema, owner=owner)


def role_statements(
    connection: psycopg.Connection, password: str, *, database: str, exists: bool, schema: str
) -> Iterator[sql.Composed]:
    """What makes the role; the password stands there as a hash."""
    secret = connection.pgconn.encrypt_password(
        password.encode(), READER.encode(), b"scram-sha-256"
    ).decode()
    names = {
        "reader": sql.Identifier(READER),
        "database": sql.Identifier(database),
        "schema": sql.Identifier(schema),
        "secret": sql.Literal(secret),
    }
    for statement in (
        "ALTER ROLE {reader} LOGIN PASSWORD {secret}"
        if exists
        else "CREATE ROLE {reader} LOGIN PASSWORD {secret}",
        "ALTER ROLE {reader} SET default_transaction_read_only = on",
        "ALTER ROLE {reader} IN DATABASE {database} SET search_path = {schema}",
        "GRANT CONNECT ON DATABASE {database} TO {reader}",
    ):
        yield sql.SQL(statement).format(**names)


def grant_reading(
    connection: psycopg.Connection, *, database: str, schema: str, owner: str
) -> None:
    """What the role may read and do; again after `migrate` and `restore`, which make tables."""
    names = {
        "reader": sql.Identifier(READER),
        "schema": sql.Identifier(schema),
        "owner": sql.Identifier(owner),
    }
    with connection.transaction():
        for statement in (
            "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {reader}",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}"
            " REVOKE ALL ON TABLES FROM {reader}",
            "GRANT USAGE ON SCHEMA {schema} TO {reader}",
        ):
            connection.execute(sql.SQL(statement).format(**names))
        present = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
            " AND relname = ANY(%s)",
            [sql.Identifier(schema).as_string(connection), list(READABLE)],
        )
        for (table,) in present.fetchall():
            grant = sql.SQL("GRANT SELECT ON {schema}.{table} TO {reader}")
            connection.execute(grant.format(**names, table=sql.Identifier(table)))
    close_what_all_may(connection, database)


def close_what_all_may(connection: psycopg.Connection, database: str) -> None:
    """Temporary tables and large objects; on a server of your own, as far as the account may."""
    revoke_temporary = sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC")
    for statement in (
        revoke_temporary.format(sql.Identifier(database)),
        *(
            sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(sql.SQL(maker))
            for maker in LARGE_OBJECT_MAKERS
        ),
    ):
        with (
            contextlib.suppress(psycopg.errors.InsufficientPrivilege),
            connection.transaction(),
        ):
            connection.execute(statement)


def current_user(connection: psycopg.Connection) -> str:
    """Who makes and owns our tables."""
    found = connection.execute("SELECT current_user::text").fetchone()
    assert found is not None  # noqa: S101
    return str(found[0])


def reader_exists(connection: psycopg.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER])
    return found.fetchone() is not None
