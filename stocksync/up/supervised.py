"""supervisord, with lines that look like everybody's.

python -m stocksync.up.supervised -c stocksync/up/supervisord.conf
"""

from __future__ import annotations

import time

from supervisor import loggers, supervisord

from stocksync.logs import LINE

LEVELS = {
    "CRIT": "CRITICAL",
    "WARN": "WARNING",
    "ERRO": "ERROR",
    "BLAT": "DEBUG",
    "TRAC": "DEBUG",
    "DEBG": "DEBUG",
}


class Record(loggers.LogRecord):  # type: ignore[misc]
    """A line of supervisord, whose own form has no zone."""

    def asdict(self) -> dict[str, str]:
        parts: dict[str, str] = super().asdict()
        level = LEVELS.get(parts["levelname"], parts["levelname"])
        return parts | {
            "asctime": time.strftime(LINE["datefmt"]),
            # Its own lines show the level; what it passes on of a program is the message alone.
            "levelname": f"{level:<7} supervisor:",
        }


if __name__ == "__main__":
    loggers.LogRecord = Record
    supervisord.main()
