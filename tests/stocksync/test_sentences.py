"""Commands end with one sentence where the database, not StockSync, is at fault."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import ProgrammingError, connection

from stocksync.sentences import sentence_for
from tests.acceptance.running_product import free_port

Manage = Callable[..., subprocess.CompletedProcess[str]]


def only_line(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode != 0
    lines = answer.stderr.strip().splitlines()
    assert len(lines) == 1, answer.stderr
    return lines[0]


@pytest.mark.parametrize(
    "arguments",
    [["coverage"], ["connect"], ["create_token", "admin"]],
    ids=lambda arguments: arguments[0],
)
def test_a_database_out_of_reach_is_one_sentence(manage: Manage, arguments: list[str]) -> None:
    url = f"postgresql://someone:geheim@127.0.0.1:{free_port()}/none"
    sentence = only_line(manage(*arguments, DATABASE_URL=url, SECRET_KEY="given"))
    assert sentence.startswith("stocksync: The database that DATABASE_URL names cannot be used: ")
    assert "geheim" not in sentence


def test_doctor_says_it_on_its_own_line(manage: Manage) -> None:
    url = f"postgresql://someone:geheim@127.0.0.1:{free_port()}/none"
    answer = manage("doctor", cold=True, DATABASE_URL=url, SECRET_KEY="given")
    assert answer.returncode == 1
    assert answer.stdout.startswith("FAIL  database: ") and answer.stderr == ""


@pytest.fixture
def empty_database(transactional_db: None) -> Iterator[str]:
    """The address of a database without a single table."""
    settings = connection.settings_dict
    name = f"{settings['NAME']}_empty"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    parts = urlsplit(os.environ["DATABASE_URL"])
    yield urlunsplit(parts._replace(path=f"/{name}"))
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize("command", ["coverage", "seed_jobs"])
def test_a_database_without_tables_names_the_command_that_makes_them(
    empty_database: str, manage: Manage, command: str
) -> None:
    cold = command == "seed_jobs"
    answer = manage(command, cold=cold, DATABASE_URL=empty_database, SECRET_KEY="given")
    sentence = only_line(answer)
    assert sentence == (
        "stocksync: The database has no tables of ours yet: run `manage.py migrate`."
    )


@pytest.mark.django_db
def test_a_missing_table_of_a_migrated_database_keeps_its_traceback() -> None:
    error = ProgrammingError("relation does not exist")
    error.__cause__ = psycopg.errors.UndefinedTable("relation does not exist")
    assert sentence_for(error) is None
