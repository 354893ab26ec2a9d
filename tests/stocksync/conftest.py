"""Embedded servers in folders of their own, and processes that use them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from stocksync.postgres import locks, server
from stocksync.postgres.cluster import Cluster
from tests.private_postgres import HASTY
from tests.warm import process as warm

USER = """
import sys, pathlib
from stocksync.postgres import locks, server
from stocksync.postgres.cluster import Cluster
server.ensure(Cluster(pathlib.Path(sys.argv[1]), settings=tuple(sys.argv[2:])))
print("ready", flush=True)
sys.stdin.read()
"""


def unheard(sentence: str) -> None:
    """For `say`, where a test does not look at what is said."""


class User:
    """A process that uses the server until it is killed."""

    def __init__(self, cluster: Cluster) -> None:
        self.process = warm.Process(
            *("-c", USER, str(cluster.root), *cluster.settings),
            env=os.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def wait_ready(self) -> User:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.close()


@pytest.fixture
def reader_role() -> Iterator[None]:
    """The read-only role to oneself: it belongs to the whole server, which the workers share."""
    with locks.exclusive(Path(settings.VAR_DIR).parent / "reader.lock"):
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder, with a space in its path, that other accounts may pass through."""
    top = Path(tempfile.mkdtemp(prefix="stocksync test-"))
    top.chmod(0o711)
    yield top
    shutil.rmtree(top)


@pytest.fixture(scope="session")
def made_data() -> Iterator[Path]:
    """A data folder as `initdb` leaves it; copying it is quicker than making another."""
    top = Path(tempfile.mkdtemp(prefix="stocksync-made-"))
    top.chmod(0o711)
    cluster = Cluster(top, settings=HASTY, sync_on_init=False)
    cluster.prepare(unheard)
    yield cluster.data_dir.parent
    shutil.rmtree(top)


@pytest.fixture
def copy_data(made_data: Path) -> Callable[[Path], Cluster]:
    """Makes a cluster in the given folder."""

    def copy(root: Path) -> Cluster:
        root.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", made_data, root / made_data.name], check=True)
        return Cluster(root, settings=HASTY)

    return copy


@pytest.fixture
def cluster(folder: Path, copy_data: Callable[[Path], Cluster]) -> Iterator[Cluster]:
    """A cluster that does not run yet; whatever runs at the end is stopped."""
    made = copy_data(folder / "var")
    yield made
    assert server.leave(made), "somebody still uses the server"


@pytest.fixture
def start_user(cluster: Cluster) -> Iterator[Callable[[], User]]:
    """Starts processes that use the cluster; what a test leaves is killed."""
    users: list[User] = []

    def start() -> User:
        users.append(User(cluster))
        return users[-1]

    yield start
    for user in users:
        user.kill()


@pytest.fixture
def manage(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a `manage.py` command as a person would, with the embedded server of `folder`."""

    def run(
        *arguments: str, cold: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"DATABASE_URL": "", "STOCKSYNC_VAR": str(folder / "var")}
        run = warm.run_cold if cold else warm.run
        return run("manage.py", *arguments, env=environment | variables, timeout=60)

    return run


@pytest.fixture
def dsn() -> str:
    """What `manage.py connect` prints for a notebook."""
    out = io.StringIO()
    call_command("connect", stdout=out)
    return next(line for line in out.getvalue().splitlines() if line.startswith("postgresql://"))
