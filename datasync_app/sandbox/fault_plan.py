"""Which call meets which fault."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from datasync_app.sandbox.faults import FAULTS, Fault
from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.reply import Reply


@dataclass(frozen=True)
class Fate:
    """The fault of one call; `draw` decides its details, as where a body is cut."""

    fault: Fault
    draw: float

    @property
    def name(self) -> str:
        return self.fault.name

    def spoil(self, api_name: str, reply: Reply) -> Reply:
        return self.fault.spoil(api_name, reply, self.draw)


class FaultPlan:
    """Faults by rate, the same for the same seed, request and number of times that it came.

    So the order in which threads ask changes nothing.

    `rates` are shares of all calls and exclude each other, so they may add up to 1 at most.
    `script(...)` sets the fate of the next calls instead, in order; None lets one through.
    """

    def __init__(self, rates: Mapping[str, float] | None = None, seed: int = 0) -> None:
        self._seed = seed
        self._calls: Counter[str] = Counter()
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
                raise SandboxProblem(
                    _("The rate of fault %(name)s is %(rate)s; it must be 0 to 1.")
                    % {"name": name, "rate": f"{rate:g}"}
                )
        if sum(rates.values()) > 1 + 1e-9:
            raise SandboxProblem(
                _("The fault rates add up to %(sum)s; together they may be 1 at most.")
                % {"sum": f"{sum(rates.values()):g}"}
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

    def next(self, api_name: str, params: Mapping[str, str]) -> Fate | None:
        """The fate of the call that is being answered now; None: it goes through."""
        with self._lock:
            rates, scripted = self._rates, bool(self._scripted)
            if not (rates or scripted):
                return None
            request = f"{api_name} {sorted(params.items())}"
            self._calls[request] += 1
            call = f"{self._seed}:{request}:{self._calls[request]}"
            name = self._scripted.popleft() if scripted else None
        if not scripted:
            name = _by_rate(rates, share_of(call))
        return Fate(FAULTS[name], share_of(f"{call}:draw")) if name else None


def _by_rate(rates: Mapping[str, float], share: float) -> str | None:
    for name, rate in rates.items():
        if share < rate:
            return name
        share -= rate
    return None


def _known(name: str) -> None:
    if name not in FAULTS:
        raise SandboxProblem(
            _("There is no fault %(name)r; known are %(known)s.")
            % {"name": name, "known": ", ".join(sorted(FAULTS))}
        )


def share_of(text: str) -> float:
    """A number in [0, 1) that looks random and depends on nothing but the text."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
