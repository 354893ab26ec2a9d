"""Sees that threads which must go on do go on.

A scheduler that looks alive and fires nothing is the worst of all: what is dead or stuck is named,
and the process ends, for the supervisor to start a new one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NoReturn

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.5
EXIT_CODE = 1


@dataclass
class Watched:
    """A thread. `rounds` grows while it goes on, and is None while it need not; it is stuck once
    nothing changed for `patience` seconds, counted in looks and not by a clock: while this process
    is frozen nobody looks."""

    name: str
    is_alive: Callable[[], bool]
    rounds: Callable[[], int | None]
    patience: float
    _seen: int | None = field(default=None, init=False)
    _looks: int = field(default=0, init=False)

    def problem(self) -> str:
        """What is wrong with it now; empty while it goes on."""
        if not self.is_alive():
            return f"{self.name} is dead"
        rounds = self.rounds()
        self._looks = 0 if rounds is None or rounds != self._seen else self._looks + 1
        self._seen = rounds
        if self._looks * WATCH_SECONDS > self.patience:
            return f"{self.name} is stuck"
        return ""


class Watchdog:
    def __init__(self, watched: Iterable[Watched]) -> None:
        self._watched = list(watched)

    def problem(self) -> str:
        """What is dead or stuck, to be asked every `WATCH_SECONDS`; empty while all go on."""
        return next((found for each in self._watched if (found := each.problem())), "")


def end_process(problem: str) -> NoReturn:
    """End at once, whatever other threads hold: a usual exit would wait for them."""
    logger.critical("action=watchdog: %s; this process ends", problem)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(EXIT_CODE)
