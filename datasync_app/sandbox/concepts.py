"""Boards of the generated market, and who belongs to them when."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.noise import Ints, Noise
from datasync_app.sandbox.population import Population

_SIX_YEARS = 1500
_NEVER = np.iinfo(np.int32).max
Mask = npt.NDArray[np.bool_]
_Coder = Callable[[int], tuple[str, str, str]]


@dataclass(frozen=True)
class Board:
    number: int
    code: str
    name: str
    kind: str
    since: int


class Boards:
    """The boards of one source. Members join at once or within six years and may leave again.

    A board has 0.3 to 3 % of all companies. Its name may be another board's too.
    """

    def __init__(self, source: str, boards: list[Board], people: Population, noise: Noise) -> None:
        self.boards = boards
        self._people = people
        numbers = np.array([board.number for board in boards])[:, None]
        since = np.array([board.since for board in boards])[:, None]
        ids = np.arange(people.count)[None, :]
        size = 0.003 + 0.027 * noise.unit(f"{source} size", numbers)
        belongs = noise.unit(f"{source} member", numbers, ids) < size
        # Most belong from the start, the others come one by one.
        late = np.maximum(0.0, noise.unit(f"{source} joins", numbers, ids) - 0.6)
        wait = np.floor(2.5 * _SIX_YEARS * late)
        joined = np.maximum(people.listed[None, :], since) + wait.astype(np.int64)
        stay = np.floor(200 + _SIX_YEARS * noise.unit(f"{source} stays", numbers, ids))
        leaves = noise.unit(f"{source} leaves", numbers, ids) < 0.25
        self._joined: Ints = np.where(belongs, joined, _NEVER)
        self._left: Ints = np.where(leaves, joined + stay.astype(np.int64), _NEVER)

    def members(self, day: int) -> Mask:
        """Board x company: who belongs on a day; the delisted belong nowhere."""
        there: Mask = (self._joined <= day) & (day < self._left)
        return there & (self._people.delists[None, :] > day)

    def on(self, day: int) -> list[tuple[int, Board]]:
        """The boards there are on a day, each with its row of `members`."""
        return [(row, board) for row, board in enumerate(self.boards) if board.since <= day]


class Concepts:
    """The three sources: THS and DC, which are alive, and the classic one, which stopped.

    The classic source numbered its concepts anew at the end of 2020 and has stood still since.
    """

    RENUMBERED = dt.date(2021, 1, 1)
    DC_FIRST_DAY = dt.date(2024, 12, 20)

    def __init__(self, calendar: Calendar, people: Population, noise: Noise, share: float) -> None:
        self._calendar = calendar
        self._noise = noise
        self._share = share
        opened = calendar.first_from(dt.date(2007, 8, 8))
        self.ths = Boards("ths", self._boards(150, opened, _ths_code), people, noise)
        dc = calendar.first_from(self.DC_FIRST_DAY)
        self.dc = Boards("dc", self._boards(240, dc, _dc_code), people, noise)
        self.renumbered = calendar.first_from(self.RENUMBERED)
        classic = [Board(number, "", _name(number), "N", 0) for number in range(self._size(90))]
        self.classic = Boards("classic", classic, people, noise)

    def classic_boards(self, today: int) -> list[tuple[int, Board]]:
        """Ids and names of a day: since the renumbering an id belongs to another concept."""
        boards = self.classic.boards
        shift = 0 if today >= self.renumbered else len(boards) // 2
        shown = [(number, boards[(number + shift) % len(boards)]) for number in range(len(boards))]
        return [
            (board.number, Board(number, f"TS{number}", board.name, "N", 0))
            for number, board in shown
        ]

    def _boards(self, count: int, opened: int, code: _Coder) -> list[Board]:
        end = len(self._calendar.days)
        boards = []
        for number in range(self._size(count)):
            # Half of them are there from the beginning, the others follow one by one.
            wait = max(0.0, self._noise.unit("board since", number, opened)[0] - 0.5)
            since = opened + int(2 * wait * _SIX_YEARS)
            if since < end:
                boards.append(Board(number, *code(number), since))
        return boards

    def _size(self, count: int) -> int:
        return max(4, math.ceil(count * min(1.0, self._share * 4)))


def _name(number: int) -> str:
    # Every tenth bears the name of the one before it.
    return f"虚构概念{number - (number % 10 == 9):03}"


def _ths_code(number: int) -> tuple[str, str, str]:
    """Code, name and type: concepts (N), industries (I), regions (R)."""
    if number % 10 == 8:
        return f"{881001 + number}.TI", f"虚构行业{number:03}", "I"
    if number % 10 == 7:
        return f"{882001 + number}.TI", f"虚构地区{number:03}", "R"
    return f"{885001 + number}.TI", _name(number), "N"


def _dc_code(number: int) -> tuple[str, str, str]:
    return f"BK{1001 + number}.DC", _name(number), "N"
