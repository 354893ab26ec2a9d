"""The Python that has imported the libraries: `python -m tests.warm.server FD`.

Each message on that socket asks for a process. It has no thread, no settings, no connection and no
logging of ours: a forked process begins where a new one would after its imports.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from dataclasses import dataclass

# The longest message; an environment is part of it.
LIMIT = 128 * 1024
# What the product imports before it has read a setting, the dearest of it; none of these reads one.
LIBRARIES = (
    "apscheduler.schedulers.background",
    "apscheduler.triggers.cron",
    "cronsim",
    "cryptography.fernet",
    "django.contrib.postgres.fields",
    "django.contrib.postgres.indexes",
    "django.core.management.commands.migrate",
    "django.core.management.commands.shell",
    "django.db.backends.postgresql.base",
    "django.forms",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.templatetags.i18n",
    "django.utils.translation.trans_real",
    "django.views.debug",
    "environs",
    "exchange_calendars",
    "orjson",
    "procrastinate",
    "prometheus_client.core",
    "psutil",
    "psycopg.types.json",
    "pydantic.json_schema",
    "pydantic.type_adapter",
    "pythonjsonlogger.json",
    "requests",
    "tushare",
)


@dataclass(frozen=True)
class Program:
    """What a new process is to be: arguments as they would follow `python`, and its environment."""

    arguments: list[str]
    environment: dict[str, str]

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self.environment)
        if self.environment.get("PYTHONUNBUFFERED"):
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        first, *rest = self.arguments
        if first == "-m":
            sys.argv[:] = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            sys.argv[:] = ["-c", *rest[1:]]
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
        else:
            sys.argv[:] = self.arguments
            runpy.run_path(first, run_name="__main__")


def serve(requests: socket.socket) -> Program:
    """Fork a process for each request and tell, over a channel of its own, its id and how it ended.

    Returns in the forked processes only; ends with the one that asks.
    """
    channels: dict[int, socket.socket] = {}
    heard, hear = socket.socketpair()
    for end in (heard, hear):
        end.setblocking(False)
    signal.set_wakeup_fd(hear.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which ends us
    while True:
        ready, _, _ = select.select([requests, heard], [], [])
        if heard in ready:
            heard.recv(4096)
            _tell_ends(channels)
        if requests in ready:
            message, descriptors, _, _ = socket.recv_fds(requests, LIMIT, 4)
            if not message:
                sys.exit()
            channel = socket.socket(fileno=descriptors[0])
            pid = os.fork()
            if not pid:
                for held in (requests, heard, hear, channel, *channels.values()):
                    held.close()
                return _begin(json.loads(message), descriptors[1:])
            for descriptor in descriptors[1:]:
                os.close(descriptor)
            channels[pid] = channel
            channel.send(str(pid).encode())


def _tell_ends(channels: dict[int, socket.socket]) -> None:
    while channels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with channels.pop(pid) as channel:
            try:
                channel.send(str(os.waitstatus_to_exitcode(status)).encode())
            except OSError:
                continue  # nobody waits for it any more


def _begin(asked: dict[str, object], streams: list[int]) -> Program:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    return Program(**asked)  # type: ignore[arg-type]


if __name__ == "__main__":
    for name in LIBRARIES:
        importlib.import_module(name)
    # What is there by now lives as long as the process: no collection need walk over it.
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1]))).run()
