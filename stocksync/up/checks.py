"""What must hold before a start. Each failure is one sentence that says what to do."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from stocksync.postgres import locks
from stocksync.spoken import spoken as _


class CannotStart(Exception):
    """StockSync cannot start here and now; the message says why, and what helps."""


def check_writable(folder: Path) -> None:
    """The folder can be made and written."""
    probe = folder / f".written-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            _(
                "The folder %(folder)s cannot be written (%(strerror)s): StockSync keeps its "
                "state there; set STOCKSYNC_VAR to a folder that this account may write."
            )
            % {"folder": folder, "strerror": error.strerror}
        ) from None


def take_run_lock(path: Path) -> int:
    """The lock that only one running StockSync of this folder holds, until it ends."""
    descriptor = locks.open_lock(path)
    if not locks.try_exclusive(descriptor):
        holder = os.pread(descriptor, 20, 0).decode().strip()
        raise CannotStart(
            _(
                "StockSync already runs here, as process %(holder)s: stop it first with Ctrl-C "
                "in its terminal, or with `kill %(holder)s`."
            )
            % {"holder": holder}
        )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def check_port(host: str, port: int) -> None:
    """The address can be listened on."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                _(
                    "Port %(port)s on %(host)s is taken: stop what uses it, or choose another, such "
                    "as `make run PORT=%(other)s`."
                )
                % {"port": port, "host": host, "other": port + 1 if port < 65535 else 8001}
            ) from None
        if error.errno == errno.EACCES:
            raise CannotStart(
                _("Port %(port)s needs root: choose one above 1023, such as `make run PORT=8000`.")
                % {"port": port}
            ) from None
        raise CannotStart(
            _(
                "HOST is %(host)r, which is no address of this machine (%(strerror)s): leave it "
                "unset, or set it to 127.0.0.1 or 0.0.0.0."
            )
            % {"host": host, "strerror": error.strerror}
        ) from None
