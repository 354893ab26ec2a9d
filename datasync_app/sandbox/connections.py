"""The HTTP side of the sandbox: keep-alive connections on threads, cut when it stops."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.reply import Delivery, Reply

logger = logging.getLogger(__name__)

Answer = Callable[[str, bytes], Reply]
_BODY_LIMIT = 1_000_000


@dataclass(frozen=True)
class Patience:
    """How long a stalled or dripping answer lasts, and the pause between two bytes of a drip."""

    stall_seconds: float = 60.0
    drip_seconds: float = 0.5


@dataclass(frozen=True)
class Desk:
    """What can be had of the sandbox itself: GET /status, and PUT /clock."""

    status: Callable[[], Mapping[str, object]]
    set_clock: Callable[[bytes], Mapping[str, object]]


class Connections(ThreadingHTTPServer):
    """Listens, hands each call to `answer` and writes its reply."""

    # A stopped sandbox waits for its threads; that is quick, because it cuts their connections.
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        answer: Answer,
        desk: Desk,
        identity: str | None,
        patience: Patience,
    ) -> None:
        self.answer = answer
        self.desk = desk
        self.patience = patience
        # A folder's name may hold what a header may not.
        self.identity = identity and urllib.parse.quote(identity, safe=":")
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer asks the resolver for this host's name here, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()

    def cut(self, *, serving: bool) -> None:
        """Listen no more and cut every open connection; `server_close` then waits for the threads."""
        if serving:  # else `shutdown` would wait for a loop that never ran
            self.shutdown()
        with self._lock:
            self._is_cut = True
            for connection in self._open:
                _cut(connection)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            if self._is_cut:  # accepted before the end, its thread started after
                _cut(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exception()
        if isinstance(error, ConnectionError):
            logger.debug("action=connection_lost error=%s", type(error).__name__)
        else:
            logger.error("action=answer_failed", exc_info=error)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet per answer, sent at once: Nagle's algorithm would add 40 ms to small ones.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Connections

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.closed(self.connection)

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        try:
            reply = self.server.answer(self.path, body)
        except Exception:
            # The request may hold a token, so it is not logged.
            logger.exception("action=answer_failed path=%s", self.path)
            reply = Reply(status=HTTPStatus.INTERNAL_SERVER_ERROR, content_type="text/plain")
        self._write(reply)

    def do_GET(self) -> None:
        """GET /status counts the calls; there is nothing else to be had without POST."""
        known = self.path == "/status"
        self._write(
            Reply(document=self.server.desk.status())
            if known
            else Reply(status=HTTPStatus.NOT_FOUND, content_type="text/plain")
        )

    def do_PUT(self) -> None:
        """PUT /clock; Tushare has no such method, so it takes no endpoint's place."""
        body = self._body()
        if body is None:
            return
        if self.path != "/clock":
            self._write(Reply(status=HTTPStatus.NOT_FOUND, content_type="text/plain"))
            return
        try:
            reply = Reply(self.server.desk.set_clock(body))
        except SandboxProblem as problem:
            reply = Reply({"detail": str(problem)}, status=HTTPStatus.BAD_REQUEST)
        self._write(reply)

    def _body(self) -> bytes | None:
        """The body; None when it was refused, because it is too long or its length is not told."""
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) <= _BODY_LIMIT:
            return self.rfile.read(int(length))
        self.close_connection = True
        self._write(Reply(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, content_type="text/plain"))
        return None

    def _write(self, reply: Reply) -> None:
        body = reply.encoded()
        if reply.delivery is Delivery.STALL:
            self.close_connection = True
            self._client_leaves_within(self.server.patience.stall_seconds)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.server.identity is not None:
            self.send_header("X-StockSync-Source", self.server.identity)
        self.end_headers()
        if reply.delivery is Delivery.DRIP:
            self._drip(body)
        elif reply.delivery is Delivery.RESET:
            self._reset_after(body[: len(body) // 2])
        else:
            self.wfile.write(body)
            self.wfile.flush()

    def _drip(self, body: bytes) -> None:
        """A byte now and then, never the last one; then the connection is closed."""
        self.close_connection = True
        patience = self.server.patience
        end = time.monotonic() + patience.stall_seconds
        for number in body[:-1]:
            self.wfile.write(bytes([number]))
            self.wfile.flush()
            if time.monotonic() >= end or self._client_leaves_within(patience.drip_seconds):
                return
        self._client_leaves_within(end - time.monotonic())

    def _reset_after(self, part: bytes) -> None:
        self.close_connection = True
        self.wfile.write(part)
        self.wfile.flush()
        # Closed without lingering, and by descriptor, because rfile and wfile share it: a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _client_leaves_within(self, seconds: float) -> bool:
        """Wait that long, unless the client hangs up before, or the sandbox stops."""
        self.connection.settimeout(max(seconds, 0.001))
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(None)
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `Sandbox.answer` logs what was asked, and it knows what must not be logged."""
