"""A process forked off the warm Python, with the methods of `subprocess.Popen` that tests need."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# What the interpreter reads when it starts, and a forked one no more.
_OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG=", "LANGUAGE=", "TZ=", "LD_", "MALLOC_", "GLIBC_")
_HEEDED = {"PYTHONUNBUFFERED"}

Stream = int | IO[Any] | None


class Process:
    """`python ARGUMENTS` in the repository. Pipes are for text; a stream of None is pytest's own."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> None:
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self._arguments = arguments
        requests, started_with = _server()
        _refuse_what_comes_too_late(started_with, env)
        message = json.dumps({"arguments": arguments, "environment": dict(env)}).encode()
        self._channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = [channel.detach(), *self._streams(stdin, stdout, stderr)]
        try:
            socket.send_fds(requests, [message], given)
        finally:
            for descriptor in given:
                os.close(descriptor)
        self.pid = self._told()

    def _streams(self, stdin: Stream, stdout: Stream, stderr: Stream) -> list[int]:
        """Descriptors for the new process, which are ours to close."""
        if stdin == subprocess.PIPE:
            read, write = os.pipe()
            self.stdin = os.fdopen(write, "w", encoding="utf-8")
        else:
            read = _descriptor(stdin, 0)
        if stdout == subprocess.PIPE:
            out, write = os.pipe()
            self.stdout = os.fdopen(out, encoding="utf-8")
        else:
            write = _descriptor(stdout, 1)
        error = os.dup(write) if stderr == subprocess.STDOUT else _descriptor(stderr, 2)
        return [read, write, error]

    def poll(self) -> int | None:
        """The exit code, or minus the signal; None while it runs."""
        return self._exit_code(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` after so many seconds."""
        code = self._exit_code(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self._arguments, timeout or 0)
        return code

    def _exit_code(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._channel], [], [], seconds)[0]:
            with self._channel:
                self.returncode = self._told()
        return self.returncode

    def _told(self) -> int:
        said = self._channel.recv(32)
        if not said:
            raise RuntimeError("The warm Python has ended by itself; what it said is on stderr.")
        return int(said)

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close its pipes, and wait for its end."""
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                pipe.close()
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def run(
    *arguments: str, env: Mapping[str, str], timeout: float, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS`, to its end, and what it said; as `subprocess.run`."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = Process(*arguments, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
    done = subprocess.CompletedProcess(arguments, code, *said)
    if check:
        done.check_returncode()
    return done


def run_cold(
    *arguments: str, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """The same by a Python that has imported nothing yet, as a person starts it."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start_cold(
    *arguments: str, env: Mapping[str, str], stdout: Stream, stderr: Stream
) -> subprocess.Popen[str]:
    """A `Process` of such a Python."""
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=env, stdout=stdout, stderr=stderr, text=True
    )


def _descriptor(stream: Stream, number: int) -> int:
    if stream == subprocess.DEVNULL:
        return os.open(os.devnull, os.O_RDWR)
    if stream is None:
        return os.dup(number)
    return os.dup(stream if isinstance(stream, int) else stream.fileno())


@functools.cache
def _server() -> tuple[socket.socket, dict[str, str]]:
    """The socket on which the warm Python takes requests, and the environment that it began with."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = dict(os.environ)
    # Whatever read a setting too early would fail for lack of this name; libraries start no threads.
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm.server", str(its.fileno())],
            cwd=REPOSITORY,
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours, environment


def _refuse_what_comes_too_late(before: Mapping[str, str], env: Mapping[str, str]) -> None:
    changed = {name for name in before.keys() | env.keys() if before.get(name) != env.get(name)}
    late = [name for name in changed - _HEEDED if f"{name}=".startswith(_OF_THE_INTERPRETER)]
    if late:
        raise ValueError(f"A warm Python has read {', '.join(late)} already: start a cold one.")
