"""The embedded server comes with its first user, and goes with its last, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stocksync.environment import BASE_DIR
from stocksync.postgres import server
from stocksync.postgres.cluster import DATABASE, OWNER, Cluster
from tests.stocksync.conftest import User, unheard
from tests.waiting import eventually

pytestmark = pytest.mark.acceptance


def starts(cluster: Cluster) -> int:
    return cluster.log_file.read_text().count("starting PostgreSQL")


def postmaster(cluster: Cluster) -> int:
    found = cluster.postmaster()
    assert found is not None
    return found


def keeper_of(cluster: Cluster) -> psutil.Process:
    parent = psutil.Process(postmaster(cluster)).parent()
    assert parent is not None
    assert "stocksync.postgres.keeper" in parent.cmdline()
    return parent


def gone(cluster: Cluster) -> bool:
    return cluster.postmaster() is None


def test_it_makes_the_role_and_its_database(cluster: Cluster) -> None:
    server.ensure(cluster, say=unheard)
    with server.connect_superuser(cluster) as connection:
        row = connection.execute(
            "SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone()
    assert row == (OWNER,)


def test_it_opens_no_tcp_port(cluster: Cluster) -> None:
    server.ensure(cluster, say=unheard)
    assert not server.listens_on_tcp(cluster)


def test_it_shuts_its_socket_folder_to_others(cluster: Cluster) -> None:
    server.ensure(cluster, say=unheard)
    assert cluster.socket_dir.stat().st_mode & 0o777 == 0o700


def test_it_stays_while_one_of_two_users_lives(
    start_user: Callable[[], User], cluster: Cluster
) -> None:
    first, second = start_user().wait_ready(), start_user().wait_ready()
    first.kill()
    # The keeper looks five times a second; a second user's start and a restart would show.
    third = start_user().wait_ready()
    assert starts(cluster) == 1
    second.kill()
    third.kill()


def test_it_goes_after_sigkill_of_the_last_user(
    start_user: Callable[[], User], cluster: Cluster
) -> None:
    start_user().wait_ready().kill()
    assert eventually(lambda: gone(cluster), 10)
    assert "database system is shut down" in cluster.log_file.read_text()


def test_it_goes_after_sigkill_of_users_and_keeper(
    start_user: Callable[[], User], cluster: Cluster
) -> None:
    user = start_user().wait_ready()
    keeper_of(cluster).kill()
    user.kill()
    assert eventually(lambda: gone(cluster), 10)


def test_it_is_back_after_sigkill_of_the_postmaster(cluster: Cluster) -> None:
    server.ensure(cluster, say=unheard)
    killed = postmaster(cluster)
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: cluster.postmaster() != killed and server.answers(cluster), 10)


def test_it_is_back_for_a_user_whose_keeper_was_killed(cluster: Cluster) -> None:
    server.ensure(cluster, say=unheard)
    keeper_of(cluster).kill()
    assert eventually(lambda: gone(cluster), 10)
    server.ensure(cluster, say=unheard)
    assert server.answers(cluster)


@pytest.fixture
def foreigner() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_it_starts_beside_a_foreign_process_of_the_remembered_id(
    cluster: Cluster, foreigner: subprocess.Popen[bytes]
) -> None:
    cluster.prepare(unheard)
    for path in (cluster.data_dir / "postmaster.pid", cluster.socket_dir / ".s.PGSQL.5432.lock"):
        path.write_text(f"{foreigner.pid}\n{cluster.data_dir}\n")
    assert cluster.postmaster() is None
    server.ensure(cluster, say=unheard)
    assert postmaster(cluster) != foreigner.pid
    assert foreigner.poll() is None


def test_it_is_started_once_by_two_at_the_same_moment(
    start_user: Callable[[], User], cluster: Cluster
) -> None:
    for user in (start_user(), start_user(), start_user()):
        user.wait_ready()
    assert starts(cluster) == 1


FORKING_USER = """
import os, sys, pathlib
from stocksync.postgres import server
from stocksync.postgres.cluster import Cluster
server.ensure(Cluster(pathlib.Path(sys.argv[1])))
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)
print(child, flush=True)
os._exit(0)
"""


def test_it_counts_a_forked_child_as_a_user(cluster: Cluster) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", FORKING_USER, str(cluster.root)],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None and parent.stdin is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.wait()
    assert not eventually(lambda: gone(cluster), 1.5)
    child.kill()
    assert eventually(lambda: gone(cluster), 10)
    parent.stdin.close()
    parent.stdout.close()


@pytest.mark.parametrize(
    "name", ["a, 'b' \"c\"", "50 % #1 ;x", "长" * 40], ids=["signs", "more-signs", "chinese"]
)
def test_it_works_in_a_folder_of_any_name(
    name: str, folder: Path, copy_data: Callable[[Path], Cluster]
) -> None:
    cluster = copy_data(folder / name)
    server.ensure(cluster, say=unheard)
    assert server.answers(cluster)
    assert server.leave(cluster)


def test_it_keeps_the_socket_of_a_long_path_in_a_closed_temporary_folder(
    folder: Path, copy_data: Callable[[Path], Cluster]
) -> None:
    cluster = copy_data(folder / ("long" * 30))
    server.ensure(cluster, say=unheard)
    socket_dir = cluster.socket_dir
    assert len(bytes(socket_dir)) < 80
    assert socket_dir.stat().st_mode & 0o777 == 0o700
    assert server.leave(cluster)
    assert not socket_dir.exists()
