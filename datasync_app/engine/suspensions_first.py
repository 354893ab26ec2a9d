"""A day is judged after its suspensions have come, where this run fetches them too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datasync_app.datasets.base import Dataset, Expectation
from datasync_app.datasets.market import SUSPEND_D
from datasync_app.engine.fetch import Fetched
from datasync_app.engine.plan import Plan

Arrival = tuple[int, Fetched]

# Answers that may wait for suspensions at once. Under a small quota of `suspend_d` the others go
# ahead: their days are judged again when the suspensions are there.
MOST_HELD_BACK = 12


class SuspensionsFirst:
    """Puts arrivals in the order in which they are to be accounted for."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        self._coming = {
            cell.key for plan in plans if plan.dataset is SUSPEND_D for cell in plan.calls
        }
        self._held: list[Arrival] = []

    def take(self, at: int, fetched: Fetched) -> Iterator[Arrival]:
        """What may be accounted for now that this has arrived."""
        key = fetched.cell.key
        if self._plans[at].dataset is SUSPEND_D:
            yield at, fetched
            self._coming.discard(key)
            yield from self._released(key)
            return
        if key not in self._coming or not waits_for_suspensions(self._plans[at].dataset):
            yield at, fetched
            return
        self._held.append((at, fetched))
        if len(self._held) > MOST_HELD_BACK:
            yield self._held.pop(0)

    def rest(self) -> Iterator[Arrival]:
        """What still waits: no more suspensions will come."""
        self._coming.clear()
        while self._held:
            yield self._held.pop(0)

    def _released(self, key: str) -> Iterator[Arrival]:
        ready = [arrival for arrival in self._held if arrival[1].cell.key == key]
        self._held = [arrival for arrival in self._held if arrival[1].cell.key != key]
        yield from ready


def waits_for_suspensions(dataset: Dataset) -> bool:
    """Is a suspension a reason for a code to be missing there?"""
    return dataset.expectation is Expectation.LISTED_CODES and not dataset.expects_suspended
