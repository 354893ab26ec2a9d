"""The HTTP side of the sandbox: keep-alive connections on threads, cut when it stops."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import socketserver
import sys
import threading
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from datasync_app.sandbox.faults import Reply

logger = logging.getLogger(__name__)

Answer = Callable[[str, bytes], Reply]
_BODY_LIMIT = 1_000_000


class Connections(ThreadingHTTPServer):
    """Listens, hands each call to `answer` and writes its reply."""

    # A stopped sandbox waits for its threads; that is quick, because it cuts their connections.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Answer, identity: str | None) -> None:
        self.answer = answer
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
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _BODY_LIMIT:
            self.close_connection = True
            self._write(
                Reply(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, content_type="text/plain")
            )
            return
        body = self.rfile.read(int(length))
        try:
            reply = self.server.answer(self.path, body)
        except Exception:
            # The request may hold a token, so it is not logged.
            logger.exception("action=answer_failed path=%s", self.path)
            reply = Reply(status=HTTPStatus.INTERNAL_SERVER_ERROR, content_type="text/plain")
        self._write(reply)

    def _write(self, reply: Reply) -> None:
        body = reply.body
        if reply.document is not None:
            text = json.dumps(reply.document, ensure_ascii=False, separators=(",", ":"))
            body = text.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server.identity is not None:
            self.send_header("X-StockSync-Source", self.server.identity)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `Sandbox.answer` logs what was asked, and it knows what must not be logged."""
