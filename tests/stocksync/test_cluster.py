"""What is refused, and with which words."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from stocksync.postgres import account, server
from stocksync.postgres.binaries import major_version
from stocksync.postgres.cluster import Cluster
from stocksync.postgres.problems import PostgresProblem
from tests.stocksync.conftest import unheard


def test_it_refuses_the_data_of_another_postgresql(cluster: Cluster) -> None:
    (cluster.data_dir / "PG_VERSION").write_text("13\n")
    with pytest.raises(PostgresProblem, match=rf"PostgreSQL 13 .* PostgreSQL {major_version()}:"):
        server.ensure(cluster, say=unheard)


def test_it_leaves_files_that_are_no_database_alone(folder: Path) -> None:
    cluster = Cluster(folder)
    cluster.data_dir.mkdir(parents=True)
    (cluster.data_dir / "diary").write_text("mine")
    with pytest.raises(PostgresProblem, match="move it away"):
        cluster.prepare(unheard)
    assert (cluster.data_dir / "diary").read_text() == "mine"


def test_it_names_a_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "var").write_text("a file in the place of the folder")
    with pytest.raises(PostgresProblem, match=r"/var.* cannot be used .*STOCKSYNC_VAR"):
        server.ensure(Cluster(folder / "var"), say=unheard)


def test_it_says_when_the_account_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(account, "SYSTEM_ACCOUNT", "stocksync-nobody-has-this")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PostgresProblem, match="stocksync-nobody-has-this could not be made"):
        account.server_account(unheard)


def test_it_opens_closed_parents_for_passing_only_and_says_so(folder: Path) -> None:
    closed = folder / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    other = account.Account("other", os.geteuid() + 1, os.getegid() + 1)
    said: list[str] = []
    account.open_way(closed / "inner", other, said.append)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert [line for line in said if str(closed) in line]


def test_it_takes_another_tcp_port_when_its_own_is_taken(
    folder: Path, copy_data: Callable[[Path], Cluster]
) -> None:
    import socket

    cluster = copy_data(folder / "var")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cluster.tcp_port_file.write_text(f"{port}\n")
        said: list[str] = []
        cluster.prepare(said.append)
    assert cluster.port != port
    assert [line for line in said if f"TCP port {port} is taken" in line]
