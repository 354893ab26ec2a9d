"""How every program of ours writes a line: time with its zone, level, who, what."""

from __future__ import annotations

import logging

LINE = {
    "format": "{asctime} {levelname:<7} {name}: {message}",
    "datefmt": "%Y-%m-%d %H:%M:%S %z",
    "style": "{",
}


def health_is_no_error(record: logging.LogRecord) -> bool:
    """Whether to log an answer: `/healthz` says 503 by design, to whoever polls it at a start."""
    request = getattr(record, "request", None)
    is_health = getattr(request, "path", "").rstrip("/") == "/healthz"
    return not (is_health and getattr(record, "status_code", 0) == 503)
