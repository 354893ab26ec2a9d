"""What stands behind the sandbox: a market, whose rows it tells in Tushare's protocol."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from datasync_app.errors import DatasyncError
from datasync_app.protocol import Refusal, Rows

Clock = Callable[[], dt.datetime]


class SandboxProblem(DatasyncError):
    """The sandbox cannot be set up as asked; the message says what is valid."""


class Market(Protocol):
    """Where the rows come from. `identity` is what the answer header tells: kind and name."""

    identity: str

    def serves(self, api_name: str) -> bool:
        """Whether it has the endpoint at all."""

    def refuse(self, api_name: str) -> Refusal:
        """What a call of an endpoint that it does not have is answered."""

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        """The fields of an answer when none are asked for."""

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        """Every field there is, and the rows that match, in the order of the source.

        Raises:
            Refusal: the parameters make no sense.
        """


@runtime_checkable
class TruthTeller(Protocol):
    """A market that can also tell what it will have published by the end of the day."""

    def truth(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        """As `rows`, but whole: whatever the time of day, and without a cap."""
