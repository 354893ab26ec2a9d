"""Who may end a run, and who may commit for it.

The engine does not know who started it. Whoever did gives it a `Guard`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from django.db import transaction

# Opens the transaction of a commit, which refuses when the run has been replaced.
Fence = Callable[[], AbstractContextManager[None]]


class Guard(Protocol):
    def checkpoint(self) -> None:
        """Raises when the run should end."""

    def fenced(self) -> AbstractContextManager[None]:
        """A transaction that refuses when the run has been replaced."""


class OwnGuard:
    """For runs that nobody can replace or cancel: the foreground command and tests."""

    def checkpoint(self) -> None:
        return

    def fenced(self) -> AbstractContextManager[None]:
        return transaction.atomic()
