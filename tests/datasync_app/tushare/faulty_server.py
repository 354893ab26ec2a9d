"""An HTTP server that misbehaves as told, on a real socket on loopback."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

# Does something with the connection after a request; True keeps it open for another.
Behaviour = Callable[["FaultyServer", socket.socket], bool]

ROWS: dict[str, Any] = {
    "code": 0,
    "msg": "",
    "data": {
        "fields": ["ts_code", "trade_date", "close"],
        "items": [["000001.SZ", "20240102", 9.21]],
        "has_more": False,
    },
}


def raw(data: bytes) -> Behaviour:
    """Send these bytes and close."""

    def behave(server: FaultyServer, connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return behave


def reply(status: int, body: bytes, *headers: str) -> Behaviour:
    """A well-formed HTTP answer on a connection that stays open."""

    def behave(server: FaultyServer, connection: socket.socket) -> bool:
        head = [f"HTTP/1.1 {status} Said So", f"Content-Length: {len(body)}", *headers]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return True

    return behave


def answer(body: object, *headers: str, status: int = 200) -> Behaviour:
    """JSON as Tushare sends it."""
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return reply(status, encoded, "Content-Type: application/json", *headers)


def refuse(code: int, text: str) -> Behaviour:
    return answer({"code": code, "msg": text, "data": None})


def stall(server: FaultyServer, connection: socket.socket) -> bool:
    """Never answer."""
    server.stopping.wait()
    return False


def drip(prefix: bytes) -> Behaviour:
    """A byte now and then, without end: no single read ever times out."""

    def behave(server: FaultyServer, connection: socket.socket) -> bool:
        with contextlib.suppress(OSError):
            connection.sendall(prefix)
            while not server.stopping.wait(0.01):
                connection.sendall(b"x")
        return False

    return behave


def reset_after(data: bytes) -> Behaviour:
    """Part of an answer, then a TCP reset."""

    def behave(server: FaultyServer, connection: socket.socket) -> bool:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return behave


class FaultyServer:
    """Follows its behaviours in turn; the last one is repeated."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.stopping = threading.Event()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[str] = []
        self.connections = 0
        self._behaviours = list(behaviours)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FaultyServer:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.1)
            while self._read_request(connection) and self._behaviour()(self, connection):
                pass

    def _behaviour(self) -> Behaviour:
        with self._lock:
            return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]

    def _read_request(self, connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data or len(data) < _length(data):
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                if self.stopping.is_set():
                    return False
                continue
            if not chunk:
                return False
            data += chunk
            if data.startswith(b"\x16"):
                return True  # a TLS greeting, which this server does not understand
        head, _, body = data.partition(b"\r\n\r\n")
        self.heads.append(head.decode("latin-1"))
        # A CONNECT has no body.
        self.requests.append((head.split(b" ")[1].decode(), json.loads(body or b"{}")))
        return True


def _length(data: bytes) -> int:
    head, _, _ = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    return len(head) + 4
