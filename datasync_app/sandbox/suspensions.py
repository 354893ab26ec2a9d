"""`suspend_d` of the generated market: who did not trade on a day, and who traded again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from datasync_app.sandbox.halts import BLOCK, Halts
from datasync_app.sandbox.noise import Noise
from datasync_app.sandbox.population import Population

_TIMINGS = ("09:30-10:00", "10:12-10:22", "13:00-14:57", "14:30-15:00")
_BREAK = 0.4
_Suspension = tuple[int, str | None, str]


class Suspensions:
    """By day: who is halted all day (S), part of the day (S, with the hours), or back (R).

    All-day ones are exactly those on the list without a bar. A part of the day is halted on four
    days of ten, for one company, which has a bar.
    """

    def __init__(self, people: Population, halts: Halts, noise: Noise) -> None:
        self._people = people
        self._halts = halts
        self._noise = noise
        ends, delists = people.ends, people.delists
        self._paused = [
            (number, int(ends[number]), int(delists[number]))
            for number in np.flatnonzero(ends < delists).tolist()
        ]

    def of_day(self, day: int) -> list[_Suspension]:
        """Company, hours (None: all day) and type, in no order."""
        block, start = day // BLOCK, day // BLOCK * BLOCK
        halts = self._halts.of_block(block)
        found: list[_Suspension] = []
        for number, (first, end) in halts.items():
            if self._is_listed(number, day):
                if start + first <= day < start + end:
                    found.append((number, None, "S"))
                elif day == start + end:
                    found.append((number, None, "R"))
        found += [(number, None, "S") for number, end, gone in self._paused if end <= day < gone]
        halted = {number for number, _, kind in found if kind == "S"}
        return found + [broken for broken in self._breaks(day) if broken[0] not in halted]

    def _breaks(self, day: int) -> Iterator[_Suspension]:
        draw = self._noise.unit
        if draw("break", day)[0] >= _BREAK:
            return
        candidates = self._people.listed_before(day + 1)
        number = int(draw("broken", day)[0] * candidates)
        if self._is_listed(number, day):
            hours = _TIMINGS[int(draw("break hours", day)[0] * len(_TIMINGS))]
            yield number, hours, "S"

    def _is_listed(self, number: int, day: int) -> bool:
        return bool(self._people.listed[number] <= day < self._people.ends[number])
