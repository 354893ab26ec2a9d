"""What the sandbox sends back, before it is written."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from datasync_app.protocol.answers import JSON


class Delivery(enum.Enum):
    """How the bytes go out."""

    WHOLE = "whole"
    STALL = "stall"
    """Nothing is sent, and after a while the connection is closed."""
    DRIP = "drip"
    """A byte now and then; the last one never comes."""
    RESET = "reset"
    """Half of the body, then a TCP reset."""


@dataclass(frozen=True)
class Reply:
    """An HTTP status, headers and a body, which is still a document until it is written."""

    document: Mapping[str, object] | None = None
    status: int = 200
    content_type: str = JSON
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE

    @property
    def data(self) -> Mapping[str, object] | None:
        """The table of an answer; None when the call was refused or answered with a page."""
        data = (self.document or {}).get("data")
        return data if isinstance(data, dict) else None

    def encoded(self) -> bytes:
        """The body as it goes over the wire."""
        if self.document is None:
            return self.body
        return orjson.dumps(self.document)
