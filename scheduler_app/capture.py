"""The log lines of one run, taken from whatever logs in its thread or task, and in the threads that
it starts with a copy of its context."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque

MAX_LINES = 500
MAX_LINE_LENGTH = 4000


class LogLines:
    """The last lines logged while this was the current collector."""

    def __init__(self, execution_id: int | None = None) -> None:
        # Known late where the run opens its own record.
        self.execution_id = execution_id
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._dropped = 0
        self._outer: LogLines | None = None

    def begin(self) -> None:
        _install()
        self._outer = _current.get()
        _current.set(self)

    def end(self) -> None:
        _current.set(self._outer)

    def add(self, line: str) -> None:
        if len(self._lines) == MAX_LINES:
            self._dropped += 1
        self._lines.append(line[:MAX_LINE_LENGTH])

    @property
    def text(self) -> str:
        lines = list(self._lines)
        if self._dropped:
            lines.insert(0, f"({self._dropped} earlier lines are not kept)")
        return "\n".join(lines)


def current_execution() -> int | None:
    """The execution whose run this thread or task belongs to, for the lines that it logs."""
    lines = _current.get()
    return None if lines is None else lines.execution_id


class _Handler(logging.Handler):
    def createLock(self) -> None:
        # Each record goes to the collector of its own context; there is nothing to guard.
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        collector = _current.get()
        if collector is not None:
            try:
                collector.add(self.format(record))
            except Exception:
                self.handleError(record)


_current: contextvars.ContextVar[LogLines | None] = contextvars.ContextVar(
    "scheduler_app_log_lines", default=None
)
_handler = _Handler()
_handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
_lock = threading.Lock()


def _install() -> None:
    # Looked at each time: configuring logging anew takes every handler off the root logger.
    with _lock:
        root = logging.getLogger()
        if _handler not in root.handlers:
            root.addHandler(_handler)
