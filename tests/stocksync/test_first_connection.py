"""Importing starts nothing; the first connection starts the server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from stocksync.postgres import server
from stocksync.postgres.cluster import Cluster
from tests.stocksync.conftest import unheard
from tests.waiting import eventually

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["makemigrations", "--check", "--dry-run"],
        ["spectacular", "--file", "/dev/null"],
        ["shell", "-c", "from django.conf import settings; settings.DATABASES"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_it_starts_nothing_for_a_command_without_database(
    arguments: list[str], manage: Manage, folder: Path
) -> None:
    answer = manage(*arguments, cold=arguments == ["check"])
    assert answer.returncode == 0, answer.stderr
    assert not (folder / "var" / "postgres").exists()


@pytest.mark.acceptance
def test_it_starts_the_server_with_the_first_connection(
    manage: Manage, folder: Path, copy_data: Callable[[Path], Cluster]
) -> None:
    cluster = copy_data(folder / "var")
    look = "from django.db import connection as c; k = c.cursor(); "
    look += "k.execute('SELECT current_user, current_database()'); print(k.fetchone())"
    answer = manage("shell", "--no-imports", "-c", look)
    assert answer.stdout.strip() == "('stocksync', 'stocksync')", answer.stderr
    assert eventually(lambda: cluster.postmaster() is None, 10)


@pytest.mark.acceptance
def test_it_listens_on_tcp_once_a_notebook_asks_and_earlier_addresses_stay(
    manage: Manage, folder: Path, copy_data: Callable[[Path], Cluster]
) -> None:
    cluster = copy_data(folder / "var")
    server.ensure(cluster, say=unheard)  # stands for a running StockSync
    assert manage("migrate", "--verbosity", "0", "--skip-checks").returncode == 0
    before = manage("connect").stdout.strip()
    answer = manage("connect", "--tcp", cold=True)
    assert answer.returncode == 0, answer.stderr
    assert urlsplit(answer.stdout.strip()).hostname == "127.0.0.1"
    for dsn in (before, answer.stdout.strip()):
        with psycopg.connect(dsn) as reader:
            assert reader.execute("SELECT count(*) FROM scheduler_job_config").fetchone() == (4,)
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        psycopg.connect(before.replace("/stocksync?", "/postgres?"))
    assert server.leave(cluster)


def test_it_ends_a_command_with_one_sentence_when_the_server_cannot_be_had(
    manage: Manage, folder: Path, copy_data: Callable[[Path], Cluster]
) -> None:
    cluster = copy_data(folder / "var")
    (cluster.data_dir / "PG_VERSION").write_text("13\n")
    answer = manage("migrate")
    assert answer.returncode != 0
    assert answer.stderr.startswith("stocksync: The data folder")
    assert len(answer.stderr.splitlines()) == 1
