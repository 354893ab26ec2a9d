"""Work that a run shares: it asks for helpers, who come where there are workers, and when they can.

A helper has no execution of its own. What it may do and commit is for whoever shares the work to say;
nothing may depend on its coming.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from django.conf import settings

PROCRASTINATE = "procrastinate"

# Called with the event that is set when its process is asked to stop, and the given arguments.
# Returns whether there may be more to do later.
Help = Callable[..., bool]
_H = TypeVar("_H", bound=Help)

_known: dict[str, Help] = {}


def register_help(name: str) -> Callable[[_H], _H]:
    def register(function: _H) -> _H:
        _known[name] = function
        return function

    return register


def help_with(name: str, stop: threading.Event, kwargs: Mapping[str, object]) -> bool:
    """Do that help now, in this thread. Raises KeyError for one that nobody registered."""
    return _known[name](stop, **kwargs)


def uses_workers() -> bool:
    return bool(settings.SCHEDULER_DISPATCH == PROCRASTINATE)


def ask(name: str, count: int, **kwargs: object) -> int:
    """Ask so many workers for help; how many were asked: none where there are no workers.

    Raises:
        django.db.Error: the database is away.
    """
    if not uses_workers():
        return 0
    from scheduler_app import worker_queue

    for _ in range(count):
        worker_queue.defer_help(name, kwargs)
    return max(count, 0)
