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
from dataclasses import dataclass

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.basics import BASIC_FIELDS
from datasync_app.sandbox.boards import (
    CONCEPT_DETAIL_FIELDS,
    CONCEPT_FIELDS,
    DC_INDEX_FIELDS,
    DC_MEMBER_FIELDS,
    THS_INDEX_FIELDS,
    THS_MEMBER_FIELDS,
    concept,
    concept_detail,
    dc_index,
    dc_member,
    ths_index,
    ths_member,
)
from datasync_app.sandbox.factors import FACTOR_FIELDS
from datasync_app.sandbox.indicator_fields import INDICATOR_DEFAULTS, INDICATOR_FIELDS
from datasync_app.sandbox.indices import INDEX_FIELDS
from datasync_app.sandbox.listing import (
    CALENDAR_FIELDS,
    MAPPING_FIELDS,
    NAME_FIELDS,
    bse_mapping,
    namechange,
    stock_basic,
    trade_cal,
)
from datasync_app.sandbox.protocol import (
    ENDPOINTS,
    Clock,
    Refusal,
    Rows,
    missing_parameter,
    no_permission,
    unknown_endpoint,
)
from datasync_app.sandbox.reports import DISCLOSURE_FIELDS, disclosure_date, fina_indicator
from datasync_app.sandbox.suspensions import SUSPENSION_FIELDS
from datasync_app.sandbox.trading import (
    DAILY_FIELDS,
    adj_factor,
    daily,
    daily_basic,
    index_daily,
    suspend_d,
)
from datasync_app.sandbox.valuations import VALUATION_FIELDS
from datasync_app.sandbox.world import Scene, World


@dataclass(frozen=True)
class Table:
    """An endpoint: every field there is, those of an answer when none are asked for, the rows."""

    fields: tuple[str, ...]
    defaults: tuple[str, ...]
    rows: Callable[[Scene, Mapping[str, str]], Rows]


# About so many are listed in the market of full size.
_COMPANIES = 5400
_BASIC_DEFAULTS = ("ts_code", "symbol", "name", "area", "industry", "market", "list_date")

TABLES: Mapping[str, Table] = {
    "trade_cal": Table(CALENDAR_FIELDS, CALENDAR_FIELDS, trade_cal),
    "stock_basic": Table(BASIC_FIELDS, _BASIC_DEFAULTS, stock_basic),
    "daily": Table(DAILY_FIELDS, DAILY_FIELDS[:-2], daily),
    "daily_basic": Table(VALUATION_FIELDS, VALUATION_FIELDS[:-1], daily_basic),
    "adj_factor": Table(FACTOR_FIELDS, FACTOR_FIELDS, adj_factor),
    "disclosure_date": Table(DISCLOSURE_FIELDS, DISCLOSURE_FIELDS[:-1], disclosure_date),
    "fina_indicator": Table(INDICATOR_FIELDS, INDICATOR_DEFAULTS, fina_indicator),
    "fina_indicator_vip": Table(INDICATOR_FIELDS, INDICATOR_DEFAULTS, fina_indicator),
    "index_daily": Table(INDEX_FIELDS, INDEX_FIELDS, index_daily),
    "namechange": Table(NAME_FIELDS, NAME_FIELDS, namechange),
    "bse_mapping": Table(MAPPING_FIELDS, MAPPING_FIELDS, bse_mapping),
    "concept": Table(CONCEPT_FIELDS, CONCEPT_FIELDS, concept),
    "concept_detail": Table(CONCEPT_DETAIL_FIELDS, CONCEPT_DETAIL_FIELDS[:4], concept_detail),
    "ths_index": Table(THS_INDEX_FIELDS, THS_INDEX_FIELDS, ths_index),
    "ths_member": Table(THS_MEMBER_FIELDS, THS_MEMBER_FIELDS[:3], ths_member),
    "dc_index": Table(DC_INDEX_FIELDS, DC_INDEX_FIELDS, dc_index),
    "dc_member": Table(DC_MEMBER_FIELDS, DC_MEMBER_FIELDS, dc_member),
    "suspend_d": Table(SUSPENSION_FIELDS, SUSPENSION_FIELDS, suspend_d),
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
        return api_name in TABLES

    def refuse(self, api_name: str) -> Refusal:
        return no_permission(api_name) if api_name in ENDPOINTS else unknown_endpoint()

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return TABLES[api_name].defaults

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
        endpoint, table = ENDPOINTS[api_name], TABLES[api_name]
        if endpoint.one_of and not any(name in params for name in endpoint.one_of):
            raise missing_parameter(*endpoint.one_of)
        with self._lock:
            scene = Scene(self.world(now), now, row_cap)
            return table.fields, table.rows(scene, {**endpoint.defaults, **params})

    def _now(self) -> dt.datetime:
        return self._clock().astimezone(SHANGHAI)
