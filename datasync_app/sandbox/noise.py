"""Numbers that look random and depend on nothing but seed, purpose and two integers.

SplitMix64 as a hash: any value can be had alone, in any order, so no day of the generated market
needs the days before it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Noise:
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def unit(self, purpose: str, first: npt.ArrayLike, second: npt.ArrayLike = 0) -> Floats:
        """Uniform in [0, 1), one for each pair of integers, broadcast against each other."""
        key = np.array([_key(self.seed, purpose)], dtype=np.uint64)
        hashed = _mix(_mix(key + _whole(first)) + _whole(second))
        return (hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def signed(self, purpose: str, first: npt.ArrayLike, second: npt.ArrayLike = 0) -> Floats:
        """Uniform in [-1, 1)."""
        return 2.0 * self.unit(purpose, first, second) - 1.0


@lru_cache(maxsize=256)
def _key(seed: int, purpose: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(f"{seed}:{purpose}".encode(), digest_size=8).digest(), "big"
    )


def _whole(values: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    # At least one dimension: numpy warns of the intended overflow on scalars, not on arrays.
    return np.atleast_1d(np.asarray(values, dtype=np.int64)).astype(np.uint64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed = values + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    result: npt.NDArray[Any] = mixed ^ (mixed >> np.uint64(31))
    return result
