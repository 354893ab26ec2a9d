"""What `daily_basic` adds to a bar: turnover, multiples, shares and market value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.finances import FIRST_YEAR, Finances
from datasync_app.sandbox.noise import Floats, Ints
from datasync_app.sandbox.population import Population
from datasync_app.sandbox.rights import Rights

# The last annual report is the one before last until May, and from then on quarters follow it.
_QUARTERS_OUT = {1: 3, 2: 3, 3: 3, 4: 3, 5: 1, 6: 1, 7: 1, 8: 1, 9: 2, 10: 2, 11: 3, 12: 3}
_NEW_YEAR = 5


@dataclass(frozen=True)
class Sizes:
    """Shares of three kinds, and what all of them are worth: in units of ten thousand."""

    total: Floats
    floating: Floats
    free: Floats
    worth: Floats


class Valuations:
    def __init__(
        self, calendar: Calendar, people: Population, rights: Rights, finances: Finances
    ) -> None:
        self._people = people
        self._rights = rights
        self._finances = finances
        self._annual = np.array(
            [day.year - 1 - (day.month < _NEW_YEAR) - FIRST_YEAR for day in calendar.days]
        )
        self._quarters = np.array([_QUARTERS_OUT[day.month] for day in calendar.days])

    def sizes(self, ids: Ints, days: Ints, close: Ints) -> Sizes:
        own, grown = self._finances, np.exp(self._rights.log_new_shares(ids, days))
        total, floating, free = (
            np.round(shares[ids] * grown, 4)
            for shares in (own.total_shares, own.float_shares, own.free_shares)
        )
        return Sizes(total, floating, free, np.round(close / 100 * total, 4))

    def columns(self, ids: Ints, days: Ints, close: Ints, volume: Ints) -> dict[str, list[object]]:
        """The number fields of some bars. `close` comes in cents, `volume` in hundredths of a lot."""
        own, year = self._finances, self._annual[days]
        price, lots, sizes = close / 100, volume / 100, self.sizes(ids, days, close)
        yuan = sizes.worth * 1e4
        passed = own.quarters[ids, self._quarters[days]]

        def latest(yearly: Floats) -> Floats:
            """The last four quarters that are out."""
            before, since = yearly[ids, year], yearly[ids, year + 1]
            total: Floats = before * (1 - passed) + since * passed
            return total

        profit, recent = own.profit[ids, year], latest(own.profit)
        paid, recently = (profit * own.payout[ids, year], latest(own.profit * own.payout))
        return {
            "close": price.tolist(),
            "turnover_rate": np.round(lots / sizes.floating, 4).tolist(),
            "turnover_rate_f": np.round(lots / sizes.free, 4).tolist(),
            "volume_ratio": np.round(lots / np.exp(self._people.log_volume[ids]), 2).tolist(),
            "pe": _where(profit > 0, yuan / profit),
            "pe_ttm": _where(recent > 0, yuan / recent),
            "pb": np.round(yuan / own.equity[ids, year], 4).tolist(),
            "ps": np.round(yuan / own.revenue[ids, year], 4).tolist(),
            "ps_ttm": np.round(yuan / latest(own.revenue), 4).tolist(),
            "dv_ratio": _where(paid > 0, 100 * paid / yuan),
            "dv_ttm": _where(recently > 0, 100 * recently / yuan),
            "total_share": sizes.total.tolist(),
            "float_share": sizes.floating.tolist(),
            "free_share": sizes.free.tolist(),
            "total_mv": sizes.worth.tolist(),
            "circ_mv": np.round(price * sizes.floating, 4).tolist(),
        }


def _where(there: npt.NDArray[np.bool_], values: Floats) -> list[object]:
    """Four decimals, and None where there is nothing to tell, as of the multiple of a loss."""
    rounded: list[object] = np.round(values, 4).tolist()
    for number in np.flatnonzero(~there).tolist():
        rounded[number] = None
    return rounded
