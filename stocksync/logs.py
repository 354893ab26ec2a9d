"""How every program of ours writes a line: time with its zone, level, who, what, and for which run."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from scheduler_app.capture import current_execution

LINE = {
    "format": "{asctime} {levelname:<7} {name}: {message}",
    "datefmt": "%Y-%m-%d %H:%M:%S %z",
    "style": "{",
}


class RunLine(logging.Formatter):
    """The same line, with `run=` and the id of the execution where it belongs to one."""

    def __init__(self) -> None:
        super().__init__(LINE["format"], LINE["datefmt"], style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        execution_id = current_execution()
        return line if execution_id is None else f"{line} run={execution_id}"


class Console(logging.StreamHandler[Any]):
    """Writes to stderr, and lets no thread wait for another's line.

    Whoever writes also writes what others left meanwhile, and they go on. With the usual lock, held
    while the system writes, a thousand runs that start together would queue up behind their own log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left: deque[str] = deque()
        self._pen = threading.Lock()
        os.register_at_fork(after_in_child=self._after_fork)

    def createLock(self) -> None:
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._left.append(self.format(record) + self.terminator)
            # Looked at again after each writing: what came while the pen was held is nobody else's.
            while self._left and self._pen.acquire(blocking=False):
                try:
                    self._write_left()
                finally:
                    self._pen.release()
        except Exception:
            self.handleError(record)

    def _write_left(self) -> None:
        lines = []
        while self._left:
            lines.append(self._left.popleft())
        if lines:
            self.stream.write("".join(lines))
            self.flush()

    def _after_fork(self) -> None:
        """What was left, and the pen, are the parent's."""
        self._left.clear()
        self._pen = threading.Lock()


class RunJson(JsonFormatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, `run` where it belongs to an
    execution, `exc_info`, and what the message says as `name=value`, under `fields`."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data["time"] = self.formatTime(record, LINE["datefmt"])
        if fields := dict(_FIELD.findall(record.getMessage())):
            log_data["fields"] = fields
        if (execution_id := current_execution()) is not None:
            log_data["run"] = execution_id


# A value ends at a blank, and at the colon before a sentence.
_FIELD = re.compile(r"(?<!\S)([a-z_]+)=(\S+?)(?=:?(?:\s|$))")
FORMATTERS = {"text": RunLine, "json": RunJson}


def health_is_no_error(record: logging.LogRecord) -> bool:
    """Whether to log an answer: `/healthz` says 503 by design, to whoever polls it at a start."""
    request = getattr(record, "request", None)
    is_health = getattr(request, "path", "").rstrip("/") == "/healthz"
    return not (is_health and getattr(record, "status_code", 0) == 503)
