"""How every program of ours writes a line: time with its zone, level, who, what, and for which run."""

from __future__ import annotations

import logging

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


def health_is_no_error(record: logging.LogRecord) -> bool:
    """Whether to log an answer: `/healthz` says 503 by design, to whoever polls it at a start."""
    request = getattr(record, "request", None)
    is_health = getattr(request, "path", "").rstrip("/") == "/healthz"
    return not (is_health and getattr(record, "status_code", 0) == 503)
