"""A pytest plugin: the suite's own PostgreSQL, and surroundings that no test can hurt.

Loaded by `-p` in pyproject.toml, so that all of it stands before Django's settings are read.
Without `DATABASE_URL` the controlling process starts a private server in a temporary folder;
xdist's workers inherit its address and get a database each. When pytest is gone, even by SIGKILL,
the server's keeper stops the server and removes the folder.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Generator
from pathlib import Path

import pytest

from stocksync.postgres import keeper, server
from stocksync.postgres.cluster import DATABASE, OWNER, Cluster

# Nothing outlives the run, so nothing needs to reach the disk.
HASTY = (
    "fsync = off",
    "synchronous_commit = off",
    "full_page_writes = off",
    "max_connections = 200",
)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    # A developer's own token must never be used, nor one out of a .env file.
    os.environ |= {"TUSHARE_TOKEN": "", "TUSHARE_BASE_URL": "", "PORT": "8000"}
    # The many processes that the tests start would each compile all of our modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["LANGUAGE_CODE"] = "en"  # whatever the terminal speaks
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if not worker:
        _arrange(early_config)
    else:
        # A folder each: files of one name must not meet.
        os.environ["STOCKSYNC_VAR"] = str(Path(os.environ["STOCKSYNC_VAR"]) / worker)
    return (yield)


def _arrange(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp(prefix="stocksync-tests-"))
    folder.chmod(0o711)  # for root, whose server runs as another account
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ["STOCKSYNC_VAR"] = str(folder / "var")
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = _start_server(folder, config)


def _start_server(folder: Path, config: pytest.Config) -> str:
    # Each worker has a database of its own, and the reader reads there.
    cluster = Cluster(folder, settings=HASTY, sync_on_init=False, reader_databases="all")
    cluster.run_dir.mkdir()
    (cluster.run_dir / keeper.DISPOSABLE).touch()
    config.add_cleanup(functools.partial(_stop, cluster))
    server.ensure(cluster)
    with server.connect_superuser(cluster) as connection:
        # To make a database for each worker, and the read-only role.
        connection.execute(f"ALTER ROLE {OWNER} CREATEDB CREATEROLE")
    socket_dir = urllib.parse.quote(str(cluster.socket_dir), safe="")
    return f"postgresql://{OWNER}@/{DATABASE}?host={socket_dir}"


def _stop(cluster: Cluster) -> None:
    server.leave(cluster)
