"""One child program at a time, whose lines go to the terminal and to a rotating file."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

LOG_BYTES = 10_000_000
LOG_FILES = 5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Relay:
    """Runs children. Any stop signal becomes one SIGTERM to the child, whoever else it reached."""

    def __init__(self, log_file: Path, folder: Path) -> None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._stopping = False
        self.child: subprocess.Popen[bytes] | None = None
        self.log = logging.handlers.RotatingFileHandler(
            log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1
        )
        for number in STOP_SIGNALS:
            # `nohup make run` asks to outlive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._stop)

    def run(self, arguments: list[str]) -> int:
        """Run `python ARGUMENTS` to its end and return its exit code; 0 at once when stopping."""
        if self.is_stopping():
            return 0
        # A session of its own: a Ctrl-C reaches us alone, and the supervisor keeps its order.
        self.child = subprocess.Popen(
            [sys.executable, "-m", "stocksync.up.tied", sys.executable, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self.is_stopping():  # the signal came while the child was being made
            self.child.terminate()
        assert self.child.stdout is not None  # noqa: S101
        for line in self.child.stdout:
            self._pass_on(line)
        return self.child.wait()

    def is_stopping(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopping

    def say(self, text: str) -> None:
        """A line of our own."""
        self._pass_on(f"stocksync: {text}\n".encode())

    def _pass_on(self, line: bytes) -> None:
        # The terminal may be gone (SIGHUP); the programs behind us must be stopped all the same.
        with contextlib.suppress(OSError):
            os.write(1, line)
        text = line.decode(errors="replace").rstrip("\n")
        self.log.emit(logging.LogRecord("", logging.INFO, "", 0, text, None, None))

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        if self.child is not None and self.child.returncode is None:
            self.child.terminate()
