"""The one exception of this package."""

from __future__ import annotations


class PostgresProblem(Exception):
    """The server cannot be had; the message is a sentence for the person at the screen."""
