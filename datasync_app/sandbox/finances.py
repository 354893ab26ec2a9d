"""Yearly results of the generated companies, which valuations and reports both read."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from datasync_app.sandbox.noise import Floats, Ints, Noise
from datasync_app.sandbox.population import Population

FIRST_YEAR = 1988
_TEN_THOUSAND = 1e4


class Finances:
    """Yuan by company and year (columns from `FIRST_YEAR`); shares in units of ten thousand.

    A loss comes in about one year of eight. Of a year's profit, the quarters bring about equal
    shares, the same for every year of a company.
    """

    def __init__(self, people: Population, last_year: int, noise: Noise) -> None:
        self._people = people
        self._noise = noise
        self._years = np.arange(FIRST_YEAR, last_year + 1)

    @cached_property
    def float_shares(self) -> Floats:
        """Tradable shares at the listing: of them 0.5 to 4 % change hands on a usual day."""
        usual: Floats = np.exp(self._people.log_volume)
        return usual / (0.5 + 3.5 * self._of_company("turnover"))

    @cached_property
    def total_shares(self) -> Floats:
        part = np.minimum(1.0, 0.35 + 0.9 * self._of_company("float part"))
        return self.float_shares / part

    @cached_property
    def free_shares(self) -> Floats:
        return self.float_shares * (0.4 + 0.55 * self._of_company("free part"))

    @cached_property
    def profit(self) -> Floats:
        earns = self._worth * (0.01 + 0.05 * self._of_company("yield"))[:, None]
        size = np.exp(0.6 * self._of_year("profit"))
        lossy = self._of_year("loss") < -0.76
        return earns * np.where(lossy, -size, size)

    @cached_property
    def revenue(self) -> Floats:
        sales = self._worth * (0.2 + 1.3 * self._of_company("sales"))[:, None]
        size: Floats = np.exp(0.25 * self._of_year("revenue"))
        return sales * size

    @cached_property
    def equity(self) -> Floats:
        own = self._worth * (0.25 + 0.5 * self._of_company("equity"))[:, None]
        return own * np.exp(0.15 * self._of_year("equity"))

    @cached_property
    def payout(self) -> Floats:
        """The part of the profit that is paid out; 0 where nothing is."""
        paid = np.maximum(0.0, 0.5 * self._of_year("payout") + 0.15)
        return np.where(self.profit > 0, paid, 0.0)

    @cached_property
    def quarters(self) -> Floats:
        """By company: the part of a year's results earned by the end of 0 to 4 quarters."""
        usual = np.array([0.0, 0.2, 0.45, 0.7, 1.0])
        spread = 0.1 * self._of_company("quarters")[:, None]
        parts: Floats = usual + spread * np.array([0, 1, 1, 1, 0])
        return parts

    @cached_property
    def _worth(self) -> Floats:
        """What the company was worth at its listing, as a column."""
        worth: Floats = np.exp(self._people.log_price) * self.total_shares * _TEN_THOUSAND
        return worth[:, None]

    def _of_company(self, purpose: str) -> Floats:
        return self._noise.unit(f"finance {purpose}", np.arange(self._people.count))

    def _of_year(self, purpose: str) -> Floats:
        ids: Ints = np.arange(self._people.count)[:, None]
        return self._noise.signed(f"finance {purpose} of year", ids, self._years)
