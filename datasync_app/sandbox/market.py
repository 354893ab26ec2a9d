"""The generated market: invented companies with plausible prices, the same for the same seed.

About 5,400 companies are listed today, with codes in the real ranges and names that are plainly
invented. Listings began on 19 December 1990; most weeks bring one or two more, some companies
leave, and about two a day stop trading for 1 to 30 days (`population`, `halts`). Prices, ex-rights
days and limits are explained in `prices`. Whatever today is, the past is the same; the clock only
decides what has been published: the bars of a day at 16:00 of it (the times of the other endpoints
are in `publication`), the calendar to the year's end.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping

from datasync_app.dates import SHANGHAI
from datasync_app.protocol import (
    ENDPOINTS,
    Refusal,
    Rows,
    missing_parameter,
    no_permission,
    unknown_endpoint,
)
from datasync_app.protocol.columns import COLUMNS, default_columns
from datasync_app.sandbox.boards import (
    concept,
    concept_detail,
    dc_index,
    dc_member,
    ths_index,
    ths_member,
)
from datasync_app.sandbox.listing import (
    bse_mapping,
    namechange,
    stock_basic,
    trade_cal,
)
from datasync_app.sandbox.protocol import Clock
from datasync_app.sandbox.reports import disclosure_date, fina_indicator
from datasync_app.sandbox.trading import (
    adj_factor,
    daily,
    daily_basic,
    index_daily,
    suspend_d,
)
from datasync_app.sandbox.world import Scene, World

# About so many are listed in the market of full size.
_COMPANIES = 5400

ROWS: Mapping[str, Callable[[Scene, Mapping[str, str]], Rows]] = {
    "trade_cal": trade_cal,
    "stock_basic": stock_basic,
    "daily": daily,
    "daily_basic": daily_basic,
    "adj_factor": adj_factor,
    "disclosure_date": disclosure_date,
    "fina_indicator": fina_indicator,
    "fina_indicator_vip": fina_indicator,
    "index_daily": index_daily,
    "namechange": namechange,
    "bse_mapping": bse_mapping,
    "concept": concept,
    "concept_detail": concept_detail,
    "ths_index": ths_index,
    "ths_member": ths_member,
    "dc_index": dc_index,
    "dc_member": dc_member,
    "suspend_d": suspend_d,
}


class GeneratedMarket:
    """`companies` makes a market of about so many listed today, and another one: its identity tells."""

    def __init__(
        self,
        seed: int = 1,
        clock: Clock = lambda: dt.datetime.now(dt.UTC),
        *,
        companies: int | None = None,
    ) -> None:
        self.identity = f"sandbox:{seed}" + (f":{companies}" if companies else "")
        self._seed = seed
        self._share = companies / _COMPANIES if companies else 1.0
        self._clock = clock
        self._lock = threading.RLock()
        self._world = World(seed, self._now().year, self._share)

    def serves(self, api_name: str) -> bool:
        return api_name in ROWS

    def refuse(self, api_name: str) -> Refusal:
        return no_permission(api_name) if api_name in ENDPOINTS else unknown_endpoint()

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return default_columns(api_name)

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        return self._rows(api_name, params, self._now(), ENDPOINTS[api_name].most_rows)

    def truth(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        """What `rows` will answer at the end of today, when all is published, without any cap."""
        end_of_day = dt.datetime.combine(self._now().date(), dt.time.max, SHANGHAI)
        return self._rows(api_name, params, end_of_day, None)

    def world(self, now: dt.datetime | None = None) -> World:
        """The world as far as the year of now, at least."""
        year = (now or self._now()).year
        with self._lock:
            if year > self._world.calendar.last_year:
                self._world = World(self._seed, year, self._share)
            return self._world

    def _rows(
        self, api_name: str, params: Mapping[str, str], now: dt.datetime, row_cap: int | None
    ) -> tuple[tuple[str, ...], Rows]:
        endpoint = ENDPOINTS[api_name]
        if endpoint.one_of and not any(name in params for name in endpoint.one_of):
            raise missing_parameter(*endpoint.one_of)
        with self._lock:
            scene = Scene(self.world(now), now, row_cap)
            return COLUMNS[api_name], ROWS[api_name](scene, {**endpoint.defaults, **params})

    def _now(self) -> dt.datetime:
        return self._clock().astimezone(SHANGHAI)
