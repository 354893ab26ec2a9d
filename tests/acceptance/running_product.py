"""The product as `make run` starts it, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from stocksync.environment import BASE_DIR
from stocksync.postgres.cluster import Cluster
from tests.waiting import eventually

NOTHING_LISTENS = "http://127.0.0.1:9"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class RunningProduct:
    """`python -m stocksync.run` and everything below it. Starts at once; `stop` is final."""

    def __init__(self, var: Path, **variables: str) -> None:
        self.var = var
        self.port = free_port()
        self.output = var.parent / f"output-{self.port}"
        place = {"DATABASE_URL": "", "STOCKSYNC_VAR": str(var), "PORT": str(self.port)}
        self.settings = place | variables
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stocksync.run"],
                cwd=BASE_DIR,
                env=os.environ | self.settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's process group, for Ctrl-C
                preexec_fn=_hear_hangups,  # noqa: PLW1509 (one thread starts it)
            )

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.var)

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of `manage.py` beside the product, with the product's own settings."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=os.environ | self.settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def api(self, path: str, token: str) -> Any:
        """What the API answers to the owner of the token."""
        status, body = self.get(path, token)
        assert status == 200, body
        return json.loads(body)

    def get(self, path: str, token: str = "") -> tuple[int, str]:
        """Status and body; 0 when nobody answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        if token:
            opener.addheaders = [("Authorization", f"Token {token}")]
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_until_up(self, seconds: float = 60) -> RunningProduct:
        up = eventually(
            lambda: self.process.poll() is not None or self.get("/healthz")[0] == 200,
            seconds,
            every=0.2,
        )
        assert up and self.process.poll() is None, self.said()
        return self

    def processes(self) -> list[psutil.Process]:
        """All that live of this product: those below the runner, PostgreSQL and its keeper."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                ours = process.environ().get("STOCKSYNC_VAR") == str(self.var)
                if ours or str(self.var) in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def processor_seconds(self) -> float:
        """What the start took of the processors, by those that live and those that they waited for."""
        times = [process.cpu_times() for process in self.processes()]
        return sum(
            each.user + each.system + each.children_user + each.children_system for each in times
        )

    def process_of(self, words: str) -> psutil.Process:
        return next(
            process
            for process in self.processes()
            if words in " ".join(process.cmdline()) and "stocksync.up" not in process.cmdline()
        )

    def admin_password(self) -> str:
        return (self.var / "admin-password").read_text()

    def line_with(self, words: str) -> str:
        found = re.search(rf"^.*{re.escape(words)}.*$", self.said(), re.MULTILINE)
        return found[0] if found else ""

    def stop(self, number: signal.Signals, *, group: bool = False) -> int:
        """Send the signal and return the exit code."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        return self.process.wait(timeout=60)

    def kill_everything(self, *, except_for: tuple[str, ...] = ()) -> None:
        for process in self.processes():
            words = " ".join(_cmdline(process))
            if not any(spared in words for spared in except_for):
                _kill(process)
        self.process.wait(timeout=10)


def _cmdline(process: psutil.Process) -> Any:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _hear_hangups() -> None:
    """Under nohup the suite ignores SIGHUP, and what it starts would inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
