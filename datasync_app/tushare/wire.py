"""What goes out and what comes back, before anybody has judged it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """What is asked, and what an answer must look like to be the answer to it.

    `required` fields must be in it, `expect` names the values a field may have in every row,
    `row_cap` is the most rows the endpoint ever sends. The token is not part of it.
    """

    api_name: str
    params: Mapping[str, object] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    expect: Mapping[str, frozenset[str]] = field(default_factory=dict)
    row_cap: int | None = None


@dataclass(frozen=True)
class Reply:
    """An HTTP answer as it arrived; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: dt.datetime
