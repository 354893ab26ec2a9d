"""Which codes are expected on a trade date, by what the source says of listings.

`stock_basic` is not the universe: it loses renumbered codes, and a price table may hold more codes
than are expected. It only says what an answer must not lack.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasync_app.models import StockBasic

# The Beijing exchange opened that day; its companies carry earlier listing dates from the board
# they came from, and `daily` has no bars of theirs before it.
BEIJING_FIRST_DAY = dt.date(2021, 11, 15)


@dataclass(frozen=True)
class Listing:
    ts_code: str
    list_date: dt.date
    delist_date: dt.date | None
    paused: bool


class Universe:
    """The listings, read once for a run."""

    def __init__(self, listings: list[Listing]) -> None:
        # As columns: a history run asks for thousands of dates, one after the other.
        self._codes = np.array([listing.ts_code for listing in listings], dtype=object)
        self._from = _days(listing.list_date for listing in listings)
        self._until = _days(listing.delist_date or dt.date.max for listing in listings)
        self.paused = frozenset(listing.ts_code for listing in listings if listing.paused)
        self._beijing = frozenset(
            listing.ts_code for listing in listings if listing.ts_code.endswith(".BJ")
        )

    @classmethod
    def read(cls) -> Universe | None:
        """The stored listings, or None where there are none: this token may not ask for them."""
        rows = StockBasic.objects.exclude(list_date=None).values_list(
            "ts_code", "list_date", "delist_date", "list_status"
        )
        listings = []
        for ts_code, list_date, delist_date, status in rows:
            if status == "D" and delist_date is None:
                continue  # nobody can say until when it was listed
            assert list_date is not None  # noqa: S101 (excluded above)
            listings.append(Listing(ts_code, list_date, delist_date, paused=status == "P"))
        return cls(listings) if listings else None

    def listed_on(self, date: dt.date) -> frozenset[str]:
        """Codes listed on that day, before any reason for having no bar is considered."""
        day = np.datetime64(date)
        return frozenset(self._codes[(self._from <= day) & (day < self._until)].tolist())

    @property
    def codes(self) -> frozenset[str]:
        """Every code that is or was listed."""
        return frozenset(self._codes.tolist())

    def before_exchange(self, date: dt.date) -> frozenset[str]:
        """Codes whose exchange had not opened yet on that day."""
        if date >= BEIJING_FIRST_DAY:
            return frozenset()
        return self._beijing

    def __len__(self) -> int:
        return len(self._codes)


def _days(dates: Iterable[dt.date]) -> NDArray[np.datetime64]:
    return np.array(list(dates), dtype="datetime64[D]")
