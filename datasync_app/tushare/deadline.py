"""A total deadline for one HTTP call.

The timeouts of sockets start anew with every byte, so a slow drip never ends. Here a timer shuts
the call's socket down at the deadline, which wakes whatever is reading or writing on it: status
line, headers, TLS handshake or body.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_running = threading.local()


class Deadline:
    """Of one call, on the thread that makes it."""

    def __init__(self) -> None:
        self.passed = False
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._sock: socket.socket | None = None

    def watch(self, connection: HTTPConnection) -> None:
        """From now on this connection is the call's, and so is the socket that it has by now.

        The socket is kept too: a connection lets go of it when the answer has no known end.
        """
        with self._lock:
            self._connection, self._sock = connection, connection.sock
            if self.passed:
                raise TimeoutError("The deadline of the call has passed.")

    def pass_(self) -> None:
        with self._lock:
            self.passed = True
            sock = self._sock
            if sock is None and self._connection is not None:
                sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # The plain socket's own method: the TLS one would pull the session from the reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Calls made by this thread inside the block through a `WatchedAdapter` end by then."""
    current = Deadline()
    timer = threading.Timer(seconds, current.pass_)
    timer.daemon = True
    _running.deadline = current
    timer.start()
    try:
        yield current
    finally:
        timer.cancel()
        timer.join()
        _running.deadline = None


def _watch(connection: HTTPConnection) -> None:
    current: Deadline | None = getattr(_running, "deadline", None)
    if current is not None:
        current.watch(connection)


class _WatchedHTTPConnection(HTTPConnection):
    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self)
        super().request(*args, **kwargs)


class _WatchedHTTPSConnection(HTTPSConnection):
    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def _tunnel(self) -> None:
        super()._tunnel()
        # What a proxy had said of its answer by the deadline may read like consent.
        _watch(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self)
        super().request(*args, **kwargs)


class _WatchedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTPConnection


class _WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


class WatchedAdapter(HTTPAdapter):
    """Connections, through a proxy or not, that a `deadline` block can end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._use_watched(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # those bring connections of their own
            self._use_watched(manager)
        return manager

    @staticmethod
    def _use_watched(manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _WatchedHTTPPool, "https": _WatchedHTTPSPool}
