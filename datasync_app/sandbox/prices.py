"""How the prices of the generated market are made.

Time is cut into blocks of 64 open days. The logarithm of a company's price moves between anchors
at the ends of the blocks. An anchor is a sum of seven layers of noise with longer and longer waves
(its own and the whole market's), so it wanders as prices do and stays in bounds, and any block can
be computed without the ones before it. Within a block each day adds three things: a share of the
way to the next anchor; a step of the whole market; a step of its own. Both steps come in pairs that
cancel each other, placed at random, so the block ends exactly on its anchor. A halted day adds
nothing, and neither does its partner: the price stands still and the block still ends on its anchor.

On an ex-rights day (one a year at most, from May on) the price is multiplied by a ratio; the
company wins that back over 192 days, so prices do not fade over the decades. `pre_close` is the
close of the last traded day times the ratio, in whole cents.

The largest sum of a day's parts is below 8 % (below 11 % where the limit is 20 % or more), so
closing prices keep the price limits by themselves; highs and lows are cut at them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.halts import BLOCK, Halts
from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.population import (
    BEIJING,
    CHINEXT,
    CHINEXT_WIDER_LIMIT,
    STAR,
    Population,
)
from datasync_app.sandbox.rights import Rights

_HALF = BLOCK // 2
_OWN_STEP, _MARKET_STEP = 0.033, 0.02
_OWN_WAVE, _MARKET_WAVE = 0.035, 0.02
_LIVELIER = 1.7
_MARKET = -1


@dataclass(frozen=True)
class Path:
    """Closes and reference prices in cents, and which days were traded: company x day."""

    first_day: int
    close: Ints
    pre_close: Ints
    traded: npt.NDArray[np.bool_]


class Prices:
    def __init__(self, calendar: Calendar, people: Population, noise: Noise) -> None:
        self._people = people
        self._noise = noise
        self.rights = Rights(calendar, people, noise)
        self.halts = Halts(people, noise)
        self._wider_from = calendar.first_from(CHINEXT_WIDER_LIMIT)

    def limits(self, ids: Ints, days: Ints) -> Ints:
        """The daily price limit in percent."""
        boards = self._people.boards[ids]
        wide = (boards == STAR) | ((boards == CHINEXT) & (days >= self._wider_from))
        return np.where(boards == BEIJING, 30, np.where(wide, 20, 10))

    def path(self, ids: Ints, first_block: int, blocks: int) -> Path:
        """The closes of some companies over whole blocks. Days before a listing are there too."""
        own, block = ids[:, None], np.arange(first_block, first_block + blocks)[None, :]
        traded = self.halts.traded(ids, first_block, blocks)
        ends = np.arange(first_block, first_block + blocks + 1)[None, :]
        anchors = (
            self._wave("own wave", own, ends) * _OWN_WAVE
            + self._wave("market wave", np.array([[_MARKET]]), ends) * _MARKET_WAVE
            + self.rights.regained(ids, ends * BLOCK)
        )
        lively = self.limits(own, block * BLOCK) > 10
        size = np.where(lively, _OWN_STEP * _LIVELIER, _OWN_STEP)[:, :, None]
        steps = size * self._steps("own step", own, block, traded)
        steps += _MARKET_STEP * self._steps("market step", np.array([[_MARKET]]), block, traded)
        way = np.diff(anchors, axis=1) / traded.sum(axis=2)
        steps += way[:, :, None] * traded
        # 65 columns: the last day of the block before, then the 64 days of this one.
        levels = np.empty((len(ids), blocks, BLOCK + 1))
        levels[:, :, 0] = anchors[:, :-1]
        levels[:, :, 1:] = anchors[:, :-1, None] + np.cumsum(steps, axis=2)
        levels[:, :, -1] = anchors[:, 1:]
        ratio = self.rights.log_ratio(ids, first_block, blocks)
        levels += ratio + self._people.log_price[own][:, :, None]
        cents = np.floor(np.exp(levels) * 100 + 0.5)
        pre_close = _reference(cents, ratio, traded)
        shape = (len(ids), blocks * BLOCK)
        return Path(
            first_block * BLOCK,
            cents[:, :, 1:].astype(np.int64).reshape(shape),
            pre_close.astype(np.int64).reshape(shape),
            traded.reshape(shape),
        )

    def _wave(self, purpose: str, own: Ints, ends: Ints) -> Floats:
        """Layers of straight lines between random points, each layer longer and higher."""
        total: Floats = np.zeros(np.broadcast_shapes(own.shape, ends.shape))
        for layer in range(7):
            length = 2**layer
            before = self._noise.signed(f"{purpose} {layer}", own, ends // length)
            after = self._noise.signed(f"{purpose} {layer}", own, ends // length + 1)
            share = (ends % length) / length
            total += (before + (after - before) * share) * np.sqrt(length)
        return total

    def _steps(self, purpose: str, own: Ints, block: Ints, traded: npt.NDArray[np.bool_]) -> Floats:
        """Steps in [-1, 1], small ones more often, that add up to zero over the traded days."""
        cell = own * 100_000 + block
        half = np.arange(_HALF)
        draws = self._noise.signed(purpose, cell[:, :, None], half)
        draws *= np.abs(draws)
        # The partner of day 32 + i is day i * odd + shift (mod 32): a shuffle of its own per block.
        odd = 2 * np.floor(self._noise.unit(f"{purpose} odd", cell) * (_HALF // 2)) + 1
        shift = np.floor(self._noise.unit(f"{purpose} shift", cell) * _HALF)
        partner = (odd[:, :, None] * half + shift[:, :, None]).astype(np.int64) % _HALF
        partner = np.broadcast_to(partner, (*traded.shape[:2], _HALF))
        draws = np.broadcast_to(draws, partner.shape)
        both = traded[:, :, _HALF:] & np.take_along_axis(traded[:, :, :_HALF], partner, axis=2)
        later = np.take_along_axis(draws, partner, axis=2) * both
        steps = np.empty(traded.shape)
        np.put_along_axis(steps[:, :, :_HALF], partner, later, axis=2)
        steps[:, :, _HALF:] = -later
        return steps


def _reference(cents: Floats, ratio: Floats, traded: npt.NDArray[np.bool_]) -> Floats:
    """The close of the last traded day, times what an ex-rights day since has left of it."""
    columns = np.arange(1, BLOCK + 1)
    last = np.maximum.accumulate(np.where(traded, columns, 0), axis=2)
    last = np.concatenate([np.zeros_like(last[:, :, :1]), last[:, :, :-1]], axis=2)
    before = np.take_along_axis(cents, last, axis=2)
    change = ratio[:, :, 1:] - np.take_along_axis(ratio, last, axis=2)
    return np.where(change == 0, before, np.floor(before * np.exp(change) + 0.5))
