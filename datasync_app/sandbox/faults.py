"""Faults that can be switched on: a table of names, each with how it spoils a good answer."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from datasync_app.sandbox.protocol import Refusal, SandboxProblem, no_permission, rate_exceeded

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """What goes back: an HTTP status and a body, still a document until it is written."""

    document: Mapping[str, object] | None = None
    status: int = 200
    content_type: str = JSON
    body: bytes = b""


@dataclass(frozen=True)
class Fault:
    """`spoil` gets the endpoint and the reply that would have been sent."""

    name: str
    summary: str
    spoil: Callable[[str, Reply], Reply]


_PAGE = "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"


def _page(status: int, title: str) -> Callable[[str, Reply], Reply]:
    body = _PAGE.format(title=title).encode()

    def spoil(api_name: str, reply: Reply) -> Reply:
        return Reply(status=status, content_type="text/html", body=body)

    return spoil


def _refusing(refuse: Callable[[str], Refusal]) -> Callable[[str, Reply], Reply]:
    def spoil(api_name: str, reply: Reply) -> Reply:
        refusal = refuse(api_name)
        document = {
            **(reply.document or {}),
            "code": refusal.code,
            "msg": refusal.text,
            "data": None,
        }
        return replace(reply, document=document)

    return spoil


def _empty(api_name: str, reply: Reply) -> Reply:
    document = reply.document or {}
    data = document.get("data")
    if not isinstance(data, dict):
        return reply
    return replace(reply, document={**document, "data": {**data, "items": [], "has_more": False}})


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("http_502", "a gateway's page with status 502", _page(502, "502 Bad Gateway")),
        Fault("http_500", "a page with status 500", _page(500, "500 Internal Server Error")),
        Fault("html", "a page with status 200", _page(200, "系统维护中")),
        Fault("empty", "code 0 and the fields, but no rows", _empty),
        Fault("permission", "no permission for the endpoint", _refusing(no_permission)),
        Fault(
            "rate_minute",
            "too many calls this minute",
            _refusing(lambda api_name: rate_exceeded(api_name, 200, "分钟")),
        ),
    )
}


class FaultPlan:
    """Which call meets which fault: by rate, the same for the same seed and call number.

    `rates` are shares of all calls and exclude each other, so they may add up to 1 at most.
    `script(...)` sets the fate of the next calls instead, in order; None lets one through.
    """

    def __init__(self, rates: Mapping[str, float] | None = None, seed: int = 0) -> None:
        self._seed = seed
        self._calls = 0
        self._scripted: deque[str | None] = deque()
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        self.set_rates(rates or {})

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Replace the rates.

        Raises:
            SandboxProblem: a name is unknown, or a rate or their sum is not within 0 to 1.
        """
        for name, rate in rates.items():
            _known(name)
            if not 0 <= rate <= 1:
                raise SandboxProblem(f"The rate of fault {name} is {rate:g}; it must be 0 to 1.")
        if sum(rates.values()) > 1 + 1e-9:
            raise SandboxProblem(
                f"The fault rates add up to {sum(rates.values()):g}; together they may be 1 at most."
            )
        with self._lock:
            self._rates = dict(rates)

    def script(self, names: Iterable[str | None]) -> None:
        """Decide the next calls one by one, before any rate is asked."""
        names = list(names)
        for name in names:
            if name is not None:
                _known(name)
        with self._lock:
            self._scripted.extend(names)

    def next(self) -> Fault | None:
        """The fault of the call that is being answered now."""
        with self._lock:
            self._calls += 1
            if self._scripted:
                name = self._scripted.popleft()
                return FAULTS[name] if name else None
            rates, number = self._rates, self._calls
        share = _share(self._seed, number)
        for name, rate in rates.items():
            if share < rate:
                return FAULTS[name]
            share -= rate
        return None


def _known(name: str) -> None:
    if name not in FAULTS:
        raise SandboxProblem(f"There is no fault {name!r}; known are {', '.join(sorted(FAULTS))}.")


def _share(seed: int, number: int) -> float:
    """A number in [0, 1) that looks random and depends on nothing but its arguments."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
