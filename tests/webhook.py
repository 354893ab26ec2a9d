"""A receiver of notifications on loopback, and channels that lead to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scheduler_app.models import NotificationChannel

SECRET = "k3yThatNobodySees"  # of the test's own receiver


class Receiver(ThreadingHTTPServer):
    """Keeps what was sent to it; `status` is what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.messages: list[dict[str, Any]] = []
        self.pings: list[str] = []

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[Receiver]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/{SECRET}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        self._answer()

    def do_GET(self) -> None:
        self.server.pings.append(self.path)
        self._answer()

    def _answer(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def channel(address: str = "json://127.0.0.1:9/nobody", **fields: Any) -> NotificationChannel:
    # The receiver alone serves programs without Django.
    from scheduler_app.models import NotificationChannel
    from scheduler_app.notifications.sealing import seal

    given = {"name": "Team", "service": "JSON", "sealed_address": seal(address), **fields}
    return NotificationChannel.objects.create(**given)
