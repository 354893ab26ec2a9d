"""Which company and date a row is of, whatever market it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from datasync_app.sandbox.fault_plan import share_of

_DATES = ("trade_date", "cal_date", "end_date")
_CODES = ("ts_code", "con_code")


@dataclass(frozen=True)
class Places:
    """Where date and code stand in the rows of an answer."""

    date: int
    code: int

    def of(self, row: list[object]) -> tuple[str, str]:
        """Date and code."""
        return str(row[self.date]), str(row[self.code])


def places(fields: tuple[str, ...]) -> Places | None:
    """None where rows are not by company and date, as in a list of companies."""
    date = _first(_DATES, fields)
    code = _first(_CODES, fields)
    return None if date is None or code is None else Places(date, code)


def draw(seed: int, *words: str) -> float:
    """A number in [0, 1), the same for the same words."""
    return share_of(":".join([str(seed), *words]))


def _first(names: Iterable[str], fields: tuple[str, ...]) -> int | None:
    return next((fields.index(name) for name in names if name in fields), None)
