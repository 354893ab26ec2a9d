"""Waiting for something that another thread or process will do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(ask: Callable[[], T], seconds: float = 10.0, *, every: float = 0.05) -> T:
    """The first answer that is true, asked for often; the last answer once the time is up.

    What costs much to ask says so by `every`, in seconds: who asks takes the time of who is asked.
    """
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(every)
