"""The web on loopback for tests that keep their database in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections
from tushare.pro.client import DataApi


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what a test asks, it knows."""


@contextmanager
def web() -> Iterator[str]:
    """Our own WSGI application, on the connection of the test; gives its address.

    It answers one call after the other, while the test waits.
    """
    shared = connections["default"]
    shared.inc_thread_sharing()
    application = WSGIHandler()
    signals = (request_started, request_finished)
    for signal in signals:  # the connection is the test's, whose transaction would be lost
        signal.disconnect(close_old_connections)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        connections["default"] = shared
        return application(environ, start)

    try:
        with make_server("127.0.0.1", 0, answer, handler_class=_Silent) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()
    finally:
        for signal in signals:
            signal.connect(close_old_connections)
        shared.dec_thread_sharing()


def sdk(url: str, token: str) -> DataApi:
    """Tushare's SDK, unchanged but for its base URL."""
    api = DataApi(token)
    api._DataApi__http_url = f"{url}/dataapi"
    return api
