"""The keeper: a detached process, parent of the server for as long as the server has users.

It starts the server, starts it again when it dies, and stops it once it can take the users' lock
exclusively. The kernel tells the server to stop when the keeper itself dies, so that no order of
killing leaves a server behind.

    python -m stocksync.postgres.keeper VAR
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from stocksync.postgres import binaries, locks, users
from stocksync.postgres.cluster import Cluster

POLL_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
STAYED_SECONDS = 10.0
ORPHAN_STOP_SECONDS = 60.0
LARGEST_LOG_BYTES = 10_000_000
DISPOSABLE = "disposable"  # a file of this name in run/: the whole folder goes with the server
PR_SET_PDEATHSIG = 1


class Keeper:
    """Holds one server up."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.server: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.pause = 0.0

    def run(self) -> None:
        """Stay until the last user is gone; the exclusive lock is then kept until we are gone."""
        users_lock = locks.open_lock(users.lock_path(self.cluster.run_dir))
        while not locks.try_exclusive(users_lock):
            if self.server is None or self.server.poll() is not None:
                self._start_when_due()
            time.sleep(POLL_SECONDS)
        self._stop()

    def _start_when_due(self) -> None:
        if self.server is not None:
            self._log(f"PostgreSQL ended with {self.server.returncode}")
            # One that dies at once is tried again ever more slowly; one that stayed, at once.
            stayed = time.monotonic() - self.started_at > STAYED_SECONDS
            self.pause = 0.0 if stayed else min(max(0.5, self.pause * 2), LONGEST_PAUSE_SECONDS)
            self.server = None
        if time.monotonic() < self.started_at + self.pause:
            return
        self._end_orphan()
        self.cluster.forget_dead_server()
        self.cluster.name_socket()
        self.started_at = time.monotonic()
        self.server = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        data_dir = self.cluster.data_dir
        owner = data_dir.stat()
        demotion = (
            {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
            if os.geteuid() == 0
            else {}
        )
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [binaries.program("postgres"), "-D", data_dir],
            stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  (the keeper has one thread)
            **demotion,
        )

    def _end_orphan(self) -> None:
        """A server in our folder that is not our child has lost its keeper: it must go first."""
        deadline = time.monotonic() + ORPHAN_STOP_SECONDS
        pid = self.cluster.postmaster()
        if pid is not None:
            self._log(f"stopping a server without a keeper, process {pid}")
            os.kill(pid, signal.SIGINT)
        while self.cluster.postmaster() is not None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)  # what `pg_ctl -m fast stop` sends
            self.server.wait()
        if self.cluster.socket_note.exists():
            shutil.rmtree(self.cluster.socket_dir, ignore_errors=True)
            self.cluster.socket_note.unlink()
        if (self.cluster.run_dir / DISPOSABLE).exists():
            shutil.rmtree(self.cluster.root, ignore_errors=True)

    def _log(self, text: str) -> None:
        sys.stderr.write(
            f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC keeper: {text}\n"
        )
        sys.stderr.flush()


def _end_with_parent() -> None:
    """In the new child: SIGINT, a fast stop to PostgreSQL, when the keeper dies."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _detach(log_file: Path) -> None:
    """Leave the caller's session, terminal and folder; speak to the log from now on."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    if log_file.exists() and log_file.stat().st_size > LARGEST_LOG_BYTES:
        log_file.rename(log_file.with_suffix(".log.1"))
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    # What stops a person's command in a terminal or a service must not stop us before them.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main(root: str) -> None:
    cluster = Cluster(Path(root))
    keeper_lock = locks.open_lock(cluster.keeper_lock)
    if not locks.try_exclusive(keeper_lock):
        return  # somebody keeps it already
    _detach(cluster.log_file)
    Keeper(cluster).run()
    # This lock first: who then gets the users' lock must find that there is no keeper.
    os.close(keeper_lock)
    os._exit(0)  # at once: who waited for the end looks for this process


if __name__ == "__main__":
    main(sys.argv[1])
