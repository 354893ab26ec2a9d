"""The front door: `ensure()` gives a server that answers, whatever the state of things was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from stocksync.postgres import locks, users
from stocksync.postgres.cluster import DATABASE, OWNER, SOCKET_PORT, SUPERUSER, Cluster
from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _

START_SECONDS = 120.0
POLL_SECONDS = 0.1
CONNECT_SECONDS = 5
PROJECT_DIR = Path(__file__).resolve().parent.parent.parent

_mutex = threading.Lock()


def tell(sentence: str) -> None:
    """Tell the person at the screen."""
    sys.stderr.write(f"stocksync: {sentence}\n")


def use(cluster: Cluster) -> None:
    """Count this process as a user of the server; waits while a keeper is stopping it."""
    try:
        users.hold(cluster.run_dir)
    except OSError as error:
        raise PostgresProblem(
            _(
                "%(folder)s cannot be used (%(strerror)s): point STOCKSYNC_VAR at a folder that "
                "this account may write."
            )
            % {"folder": error.filename or cluster.run_dir, "strerror": error.strerror}
        ) from error


def ensure(
    cluster: Cluster, *, wait: float = START_SECONDS, say: Callable[[str], None] = tell
) -> None:
    """Return once the server answers and has its role and database.

    Raises:
        PostgresProblem: it could not be started, or not within `wait` seconds.
    """
    use(cluster)
    with _mutex, locks.exclusive(cluster.start_lock):
        if not answers(cluster):
            cluster.prepare(say)
            _start(cluster, wait)
        _provide(cluster)


def connect_superuser(cluster: Cluster, database: str = "postgres") -> psycopg.Connection:
    """A connection that may do everything; only the owner of `var/` and root get one."""
    return psycopg.connect(
        host=str(cluster.socket_dir),
        port=SOCKET_PORT,
        user=SUPERUSER,
        dbname=database,
        connect_timeout=CONNECT_SECONDS,
        autocommit=True,
    )


def answers(cluster: Cluster) -> bool:
    """Whether the server takes connections right now."""
    try:
        connect_superuser(cluster).close()
    except psycopg.OperationalError:
        return False
    return True


def leave(cluster: Cluster, wait: float = 30.0) -> bool:
    """Stop using the server; whether it was gone within `wait` seconds (others may use it)."""
    users.release(cluster.run_dir)
    deadline = time.monotonic() + wait
    while not locks.is_free(cluster.keeper_lock):
        if time.monotonic() > deadline or users.others(cluster.run_dir):
            return False
        time.sleep(POLL_SECONDS)
    return True


def listens_on_tcp(cluster: Cluster) -> bool:
    """Whether the running server takes TCP connections on this machine."""
    with connect_superuser(cluster) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    return row is not None and row[0] != ""


def open_tcp(cluster: Cluster) -> None:
    """Let the server listen on 127.0.0.1 from now on; it is restarted for that, once."""
    use(cluster)
    with _mutex, locks.exclusive(cluster.start_lock):
        if not cluster.tcp_port_file.exists():
            cluster.choose_tcp_port()
        cluster.prepare(tell)
        server_id = cluster.postmaster()
        if server_id is not None:
            os.kill(server_id, signal.SIGINT)  # its keeper starts it again
        _start(cluster, START_SECONDS)


def _start(cluster: Cluster, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        if locks.is_free(cluster.keeper_lock):
            _start_keeper(cluster)
        if answers(cluster):
            return
        if time.monotonic() > deadline:
            raise PostgresProblem(
                _(
                    "PostgreSQL did not start within %(wait).0f seconds; its log %(log_file)s ends "
                    "with: %(last_words)s"
                )
                % {
                    "wait": wait,
                    "log_file": cluster.log_file,
                    "last_words": _last_words(cluster.log_file),
                }
            )
        time.sleep(POLL_SECONDS)


def _start_keeper(cluster: Cluster) -> None:
    # It detaches itself and holds its lock by the time this returns.
    command = [sys.executable, "-m", "stocksync.postgres.keeper", str(cluster.root)]
    answer = subprocess.run(
        command,
        cwd=PROJECT_DIR,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise PostgresProblem(
            _("PostgreSQL's keeper failed: %(reason)s") % {"reason": answer.stderr.strip()[-500:]}
        )


def _provide(cluster: Cluster) -> None:
    with connect_superuser(cluster) as connection:
        role = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER])
        if role.fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OWNER)))
        database = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if database.fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )
            connection.execute(
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE))
            )


def _last_words(log_file: Path) -> str:
    try:
        lines = log_file.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "(nothing)"
    telling = [line for line in lines[-20:] if "FATAL" in line or "PANIC" in line] or lines[-1:]
    return telling[-1] if telling else "(nothing)"
