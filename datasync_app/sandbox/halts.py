"""Trading halts of the generated market."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datasync_app.sandbox.noise import Ints, Noise
from datasync_app.sandbox.population import Population

BLOCK = 64
_DRAWS_A_DAY = 4
_LONGEST = 30


class Halts:
    """Halts of 1 to 30 days, about two new ones a day and four at most.

    A halt lies within one block and leaves its first and last day alone, and a company has one per
    block at most: so every block ends on a traded day.
    """

    def __init__(self, people: Population, noise: Noise) -> None:
        self._people = people
        self._noise = noise
        self._blocks: dict[int, dict[int, tuple[int, int]]] = {}

    def traded(self, ids: Ints, first_block: int, blocks: int) -> npt.NDArray[np.bool_]:
        """Company x block x day: True where trade was not halted."""
        traded = np.ones((len(ids), blocks, BLOCK), dtype=np.bool_)
        rows = {int(number): row for row, number in enumerate(ids)}
        for at in range(blocks):
            for number, (start, end) in self.of_block(first_block + at).items():
                if number in rows:
                    traded[rows[number], at, start:end] = False
        return traded

    def of_block(self, block: int) -> dict[int, tuple[int, int]]:
        """Halted companies of a block: first halted day and first day of trade after, in the block."""
        if block not in self._blocks:
            self._blocks[block] = self._draw(block)
        return self._blocks[block]

    def _draw(self, block: int) -> dict[int, tuple[int, int]]:
        candidates = self._people.listed_before(block * BLOCK - 20)
        # In the small market of the first years a halt is rarer.
        chance = 0.5 * min(1.0, candidates / 2500)
        draws = np.arange(_DRAWS_A_DAY)[None, :]
        days = block * BLOCK + np.arange(1, BLOCK - 1)[:, None]
        accepted = self._noise.unit("halt", days, draws) < chance
        numbers = np.floor(self._noise.unit("halted", days, draws) * candidates).astype(np.int64)
        lengths = 1 + np.floor(_LONGEST * self._noise.unit("halt length", days, draws) ** 3)
        halts: dict[int, tuple[int, int]] = {}
        for day, draw in np.argwhere(accepted):
            number = int(numbers[day, draw])
            if number not in halts and self._people.ends[number] > (block + 1) * BLOCK:
                start = int(day) + 1
                halts[number] = (start, min(start + int(lengths[day, draw]), BLOCK - 1))
        return halts
