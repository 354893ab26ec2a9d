"""What a sandbox counts of the calls it got."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping

Cell = tuple[str, tuple[tuple[str, str], ...]]
# What a test may look back on; a sandbox that runs for months forgets older calls.
_CALLS_KEPT = 100_000


class Tally:
    """Every count is a copy, taken at once."""

    def __init__(self) -> None:
        self._served: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()
        self._requests: deque[tuple[str, dict[str, str]]] = deque(maxlen=_CALLS_KEPT)
        self._cells: deque[Cell] = deque(maxlen=_CALLS_KEPT)
        self._lock = threading.Lock()

    def arrived(self, api_name: str, params: Mapping[str, str]) -> None:
        with self._lock:
            self._requests.append((api_name, dict(params)))

    def answered(
        self, api_name: str, params: Mapping[str, str], *, fault: str, reason: str
    ) -> None:
        """Count an answer: spoiled by a fault, refused for a reason, or neither."""
        with self._lock:
            if fault:
                self._faults[api_name, fault] += 1
            elif reason:
                self._reasons[api_name, reason] += 1
            else:
                self._served[api_name] += 1
                self._cells.append((api_name, tuple(sorted(params.items()))))

    @property
    def served(self) -> Counter[str]:
        with self._lock:
            return self._served.copy()

    @property
    def refused(self) -> Counter[str]:
        by_endpoint: Counter[str] = Counter()
        for (api_name, _), count in self.refusal_reasons.items():
            by_endpoint[api_name] += count
        return by_endpoint

    @property
    def refusal_reasons(self) -> Counter[tuple[str, str]]:
        with self._lock:
            return self._reasons.copy()

    @property
    def faulted(self) -> Counter[str]:
        by_fault: Counter[str] = Counter()
        for (_, name), count in self.faults_by_endpoint.items():
            by_fault[name] += count
        return by_fault

    @property
    def faults_by_endpoint(self) -> Counter[tuple[str, str]]:
        with self._lock:
            return self._faults.copy()

    @property
    def requests(self) -> list[tuple[str, dict[str, str]]]:
        with self._lock:
            return list(self._requests)

    @property
    def cells(self) -> Counter[Cell]:
        with self._lock:
            return Counter(self._cells)

    def summary(self) -> dict[str, object]:
        """Calls served, refused by reason and spoiled by fault, by endpoint."""
        return {
            "served": dict(self.served),
            "refused": _nested(self.refusal_reasons),
            "faults": _nested(self.faults_by_endpoint),
        }


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (api_name, reason), count in counts.items():
        nested.setdefault(api_name, {})[reason] = count
    return nested
