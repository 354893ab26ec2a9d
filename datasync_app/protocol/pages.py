"""`limit` and `offset`: which part of the rows an answer has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datasync_app.protocol.refusals import bad_parameter

_MOST_DIGITS = 9


@dataclass(frozen=True)
class Page:
    """`limit` None: as many rows as an answer has at most."""

    limit: int | None = None
    offset: int = 0

    def size(self, most: int) -> int:
        """How many rows the answer has, of `most` at most."""
        return most if self.limit is None else min(self.limit, most)


def page_of(params: Mapping[str, str]) -> Page:
    """The page that the parameters ask for.

    Raises:
        Refusal: one of them is not a whole number from 0 on.
    """
    limit, offset = (_number(params.get(name)) for name in ("limit", "offset"))
    return Page(limit, offset or 0)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise bad_parameter()
    return int(text)
