"""The address for notebooks reads the data, and nothing else."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command

from stocksync.management.commands.connect import address

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reader_role")]


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


def test_it_writes_an_address_that_survives_odd_signs() -> None:
    parts = urlsplit(address("p/w@:%", "stocksync", "/a b/ü,&", "5433"))
    assert parse_qs(parts.query) == {"host": ["/a b/ü,&"], "port": ["5433"]}
    assert parts.password == "p%2Fw%40%3A%25"
