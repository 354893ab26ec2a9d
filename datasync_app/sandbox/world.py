"""Everything that follows from seed and calendar, and the same as seen at a moment."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasync_app.dates import parse_date
from datasync_app.protocol import bad_parameter, date_range
from datasync_app.sandbox.bars import Bars
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.concepts import Concepts
from datasync_app.sandbox.factors import Factors
from datasync_app.sandbox.filings import Reporting
from datasync_app.sandbox.finances import Finances
from datasync_app.sandbox.halts import BLOCK
from datasync_app.sandbox.indicators import Indicators
from datasync_app.sandbox.indices import Indices
from datasync_app.sandbox.names import Names
from datasync_app.sandbox.noise import Ints, Noise
from datasync_app.sandbox.population import Population
from datasync_app.sandbox.prices import Path, Prices
from datasync_app.sandbox.publication import published_at
from datasync_app.sandbox.renumbering import Codes
from datasync_app.sandbox.suspensions import Suspensions
from datasync_app.sandbox.valuations import Valuations

_PATHS_KEPT = 6


class World:
    """Everything that follows from seed and calendar. A later year only adds to it."""

    def __init__(self, seed: int, last_year: int, share: float = 1.0) -> None:
        noise = Noise(seed)
        self.noise = noise
        self.calendar = Calendar(last_year)
        self.people = Population(self.calendar, noise, share)
        self.prices = Prices(self.calendar, self.people, noise)
        self.bars = Bars(self.calendar, self.people, noise)
        self.finances = Finances(self.people, last_year, noise)
        self.factors = Factors(self.calendar, self.prices.rights, noise)
        self.valuations = Valuations(self.calendar, self.people, self.prices.rights, self.finances)
        self.indices = Indices(self.calendar, self.people, self.prices, self.bars, noise)
        self.reporting = Reporting(self.calendar, self.people, noise)
        self.indicators = Indicators(self.calendar, self.finances, self.prices.rights, noise)
        self.suspensions = Suspensions(self.people, self.prices.halts, noise)
        self._share = share
        # Answers list companies by code.
        order = sorted(range(self.people.count), key=self.people.codes.__getitem__)
        self.rank = np.empty(self.people.count, dtype=np.int64)
        self.rank[order] = np.arange(self.people.count)
        self._paths: OrderedDict[int, Path] = OrderedDict()

    @cached_property
    def concepts(self) -> Concepts:
        return Concepts(self.calendar, self.people, self.noise, self._share)

    @cached_property
    def names(self) -> Names:
        return Names(self.calendar, self.people, self.noise)

    def whole_market(self, block: int) -> Path:
        """The closes of all companies over a block; the last few blocks asked for are kept."""
        if block not in self._paths:
            ids = np.arange(self.people.listed_before((block + 1) * BLOCK))
            self._paths[block] = self.prices.path(ids, block, 1)
            if len(self._paths) > _PATHS_KEPT:
                self._paths.popitem(last=False)
        self._paths.move_to_end(block)
        return self._paths[block]


@dataclass(frozen=True)
class Scene:
    """The world at a moment (in Shanghai).

    `row_cap`: no answer needs more rows than one above it; None asks for all of them.
    """

    world: World
    now: dt.datetime
    row_cap: int | None

    @property
    def today(self) -> int:
        """The number of the last open day until now."""
        return self.world.calendar.last_until(self.now.date())

    @property
    def codes(self) -> Codes:
        """Everybody's code as the source tells it by now."""
        return self.world.people.renumbering.on(self.today)

    def days(self, api_name: str, params: Mapping[str, str]) -> tuple[int, int]:
        """First and last day that trade_date, start_date and end_date leave and that is out.

        Raises:
            Refusal: one of them is not a date.
        """
        calendar = self.world.calendar
        start, end = date_range(params)
        if "trade_date" in params:
            try:
                parse_date(params["trade_date"])
            except ValueError:
                raise bad_parameter() from None
            start, end = max(start, params["trade_date"]), min(end, params["trade_date"])
        last_out = calendar.last_until(self.last_date(api_name))
        first = calendar.first_from(parse_date(start))
        return first, min(last_out, calendar.last_until(parse_date(end)))

    def last_date(self, api_name: str) -> dt.date:
        """The last date whose data an endpoint has by now."""
        is_out = self.now.time() >= published_at(api_name)
        return self.now.date() - dt.timedelta(days=not is_out)

    def numbers(self, codes: str, *, several: bool = False) -> Ints:
        """Companies by their codes, several of them separated by commas where that is allowed."""
        known = self.codes.numbers
        asked = [code.strip() for code in codes.split(",")] if several else [codes]
        return np.array(sorted({known[code] for code in asked if code in known}), dtype=np.int64)

    def is_enough(self, rows: int) -> bool:
        """Whether so many rows tell already that there are more than the cap."""
        return self.row_cap is not None and rows > self.row_cap
