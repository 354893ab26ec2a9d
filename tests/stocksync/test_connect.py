"""The address for notebooks reads the data, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from stocksync.management.commands.connect import address
from stocksync.notebooks import after_migrate
from stocksync.postgres.cluster import READER, SUPERUSER
from stocksync.postgres.reader import READABLE, close_what_all_may, reader_exists

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reader_role")]


def superuser() -> psycopg.Connection:
    """Of the test's server, in the test's database."""
    known = connection.settings_dict
    return psycopg.connect(
        host=known["HOST"],
        port=known["PORT"] or None,
        dbname=known["NAME"],
        user=SUPERUSER,
        autocommit=True,
    )


@pytest.fixture
def everything_closed(reader_role: None) -> None:
    """Closed as the embedded server's superuser closes it."""
    connect()
    with superuser() as admin:
        close_what_all_may(admin, connection.settings_dict["NAME"])


def connect(*arguments: str) -> str:
    out = StringIO()
    call_command("connect", *arguments, stdout=out)
    return out.getvalue().strip()


def test_it_reads_the_data() -> None:
    with psycopg.connect(connect()) as reader:
        row = reader.execute("SELECT count(*) FROM scheduler_job_config").fetchone()
    assert row == (4,)


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("DELETE FROM scheduler_job_config", psycopg.errors.ReadOnlySqlTransaction),
        ("CREATE TABLE stocksync.mine (a int)", psycopg.errors.ReadOnlySqlTransaction),
        ("SELECT password FROM auth_user", psycopg.errors.InsufficientPrivilege),
        ("SELECT digest FROM knox_authtoken", psycopg.errors.InsufficientPrivilege),
        ("SELECT session_key FROM django_session", psycopg.errors.InsufficientPrivilege),
    ],
)
def test_it_may_not(statement: str, refusal: type[Exception]) -> None:
    with psycopg.connect(connect()) as reader, pytest.raises(refusal):
        reader.execute(statement.encode())


def test_it_may_not_write_even_after_leaving_read_only_mode() -> None:
    with psycopg.connect(connect()) as reader:
        reader.execute("SET default_transaction_read_only = off")
        reader.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM scheduler_job_config")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE mine (a int)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'mine')",
    ],
)
def test_it_makes_nothing_anywhere(statement: str, everything_closed: None) -> None:
    with (
        psycopg.connect(connect(), options="-c default_transaction_read_only=off") as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute(statement.encode())


# Of the apps, and not to be read: it holds secrets, if sealed.
CLOSED = {"scheduler_notification_channel"}


def test_it_reads_every_table_of_the_apps_and_no_other() -> None:
    ours = {
        model._meta.db_table
        for label in ("scheduler_app", "datasync_app")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    } - CLOSED
    with psycopg.connect(connect()) as reader:
        readable = reader.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'stocksync'::regnamespace"
            " AND relkind IN ('r', 'v', 'p', 'm', 'f') AND has_table_privilege(oid, 'SELECT')"
        ).fetchall()
        views = reader.execute("SELECT viewname FROM pg_views WHERE schemaname = 'stocksync'")
        ours |= {name for (name,) in views.fetchall()}
        # It counts with a function of its own, which whoever reads it runs.
        assert reader.execute("SELECT count(*) FROM tushare_call_day").fetchone() == (0,)
    # A new table is closed until stocksync/postgres/reader.py names it: data belong there.
    assert {name for (name,) in readable} == ours == set(READABLE)


def test_a_new_table_is_closed_until_it_is_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE new_secret (a int)")
    try:
        with (
            psycopg.connect(connect()) as reader,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            reader.execute("SELECT * FROM new_secret")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE new_secret")


def test_a_table_that_is_named_is_readable_after_migrate() -> None:
    dsn = connect()
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE ALL ON daily FROM {READER}")
    after_migrate(plan=[("a migration", False)])
    with psycopg.connect(dsn) as reader:
        assert reader.execute("SELECT count(*) FROM daily").fetchone() == (0,)


def test_it_sets_the_password_again_that_a_reader_changed() -> None:
    dsn = connect()
    with psycopg.connect(dsn, options="-c default_transaction_read_only=off") as reader:
        reader.execute(f"ALTER ROLE {READER} PASSWORD 'mine'".encode())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
    assert connect() == dsn
    psycopg.connect(dsn).close()


def test_it_prints_the_same_address_again() -> None:
    assert connect() == connect()


def test_it_makes_a_new_password_on_request() -> None:
    assert connect() != connect("--new-password")


def test_it_keeps_the_password_from_others() -> None:
    connect()
    assert (settings.VAR_DIR / "reader-password").stat().st_mode & 0o777 == 0o600


def test_it_still_reads_after_a_restore(tmp_path: Path) -> None:
    dsn = connect()
    call_command("backup", tmp_path / "file", stdout=StringIO())
    call_command("restore", tmp_path / "file", yes=True, stdout=StringIO())
    with psycopg.connect(dsn) as reader:
        assert reader.execute("SELECT 1 FROM scheduler_job_config").fetchone() == (1,)


@pytest.fixture
def humble_account(worker_id: str) -> Iterator[None]:
    """The account of DATABASE_URL may do everything with our tables, and make no role."""
    name = f"humble_{worker_id}"
    with superuser() as admin:
        admin.execute(f"DROP ROLE IF EXISTS {name}".encode())
        admin.execute(f"CREATE ROLE {name}".encode())
        admin.execute(f"GRANT {name} TO {connection.settings_dict['USER']}".encode())
        for what in ("ALL ON SCHEMA stocksync", "ALL ON ALL TABLES IN SCHEMA stocksync"):
            admin.execute(f"GRANT {what} TO {name} WITH GRANT OPTION".encode())
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {name}")
        yield
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
        admin.execute(f"DROP OWNED BY {name} CASCADE".encode())
        admin.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def no_reader(reader_role: None) -> Iterator[None]:
    """No read-only role yet; the present one, which other databases know, stands aside.

    It asks for the lock by name: marks of a test come before those of its module.
    """
    aside, done = f"{READER}_aside", f"{READER}_done"
    with superuser() as admin:
        there = reader_exists(admin)
        if there:
            admin.execute(f"ALTER ROLE {READER} RENAME TO {aside}".encode())
        yield
        admin.execute(f"DROP OWNED BY {READER}".encode())
        admin.execute(f"ALTER ROLE {READER} RENAME TO {done}".encode())
        if there:
            admin.execute(f"ALTER ROLE {aside} RENAME TO {READER}".encode())
        admin.execute(f"DROP ROLE {done}".encode())


@pytest.mark.usefixtures("no_reader", "humble_account")
def test_it_tells_the_administrator_what_to_run_and_works_afterwards() -> None:
    with pytest.raises(CommandError) as caught:
        connect()
    sentence, *statements = str(caught.value).splitlines()
    assert "may not make the read-only role stocksync_reader" in sentence
    with superuser() as admin:
        for statement in statements:
            admin.execute(statement.encode())
    with psycopg.connect(connect()) as reader:
        assert reader.execute("SELECT count(*) FROM daily").fetchone() == (0,)


@pytest.mark.usefixtures("no_reader", "humble_account")
def test_it_prints_no_password_it_does_not_know() -> None:
    with superuser() as admin:
        admin.execute(f"CREATE ROLE {READER} LOGIN PASSWORD 'theirs'".encode())
    dsn = connect()
    assert urlsplit(dsn).password is None
    with psycopg.connect(dsn, password="theirs") as reader:
        assert reader.execute("SELECT count(*) FROM stocksync.daily").fetchone() == (0,)


def test_it_writes_an_address_that_survives_odd_signs() -> None:
    parts = urlsplit(address("p/w@:%", "stocksync", "/a b/ü,&", "5433"))
    assert parse_qs(parts.query) == {"host": ["/a b/ü,&"], "port": ["5433"]}
    assert parts.password == "p%2Fw%40%3A%25"
