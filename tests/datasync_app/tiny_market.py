"""A market of thirty stocks whose every answer a test can bend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from datasync_app.protocol import Refusal, Rows, no_permission

FIELDS: dict[str, tuple[str, ...]] = {
    "trade_cal": ("exchange", "cal_date", "is_open", "pretrade_date"),
    "stock_basic": ("ts_code", "symbol", "name", "list_status", "list_date", "delist_date"),
    "daily": (
        "ts_code", "trade_date", "open", "high", "low", "close", "pre_close",
        "change", "pct_chg", "vol", "amount",
    ),
    "adj_factor": ("ts_code", "trade_date", "adj_factor"),
    "daily_basic": ("ts_code", "trade_date", "close", "pe", "total_mv"),
    "suspend_d": ("ts_code", "trade_date", "suspend_timing", "suspend_type"),
    "index_daily": ("ts_code", "trade_date", "close", "open", "high", "low"),
    "namechange": ("ts_code", "name", "start_date", "end_date", "ann_date", "change_reason"),
    "bse_mapping": ("name", "o_code", "n_code", "list_date"),
}  # fmt: skip
CLASSIC = frozenset({"trade_cal", "stock_basic", "daily"})


class TinyMarket:
    """Weekdays are open; on a `flipped` day it is the other way round.

    `lost[date]` codes are left out of that day's bars, `lost_of[name, date]` out of another
    dataset's day, `rows_of` replaces the bars of a day. Endpoints that are not in `served` are
    denied; no answer has more than `cap` rows. `suspended[date]` codes are in `suspend_d`, and have
    no row but in `adj_factor`; `resumed[date]` codes are there, and have all.
    """

    identity = "sandbox:tiny"

    def __init__(self, codes: int = 30) -> None:
        self.codes = [f"{600000 + n}.SH" for n in range(codes)]
        self.lost: dict[str, set[str]] = {}
        self.lost_of: dict[tuple[str, str], set[str]] = {}
        self.flipped: set[str] = set()
        self.resumed: dict[str, set[str]] = {}
        self.suspended: dict[str, set[str]] = {}
        self.rows_of: dict[str, list[list[object]]] = {}
        self.renumbered: list[list[object]] = []
        self.names: list[list[object]] = []
        self.index_days: set[str] | None = None
        self.close = 10.0
        self.list_date = "20000104"
        self.cap: int | None = None
        self.served = set(CLASSIC)

    def serve_everything(self) -> None:
        self.served = set(FIELDS)

    def serves(self, api_name: str) -> bool:
        return api_name in self.served

    def refuse(self, api_name: str) -> Refusal:
        return no_permission(api_name)

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return FIELDS[api_name]

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        answers = {
            "trade_cal": self._calendar,
            "stock_basic": self._stocks,
            "daily": self._daily,
            "adj_factor": self._factors,
            "daily_basic": self._indicators,
            "suspend_d": self._suspensions,
            "index_daily": self._index,
            "namechange": self._names,
            "bse_mapping": self._mapping,
        }
        return FIELDS[api_name], answers[api_name](params)[: self.cap]

    def _names(self, params: Mapping[str, str]) -> Rows:
        return self.names

    def _mapping(self, params: Mapping[str, str]) -> Rows:
        return self.renumbered

    def _calendar(self, params: Mapping[str, str]) -> Rows:
        day = dt.datetime.strptime(params["start_date"], "%Y%m%d").date()
        end = dt.datetime.strptime(params["end_date"], "%Y%m%d").date()
        items: Rows = []
        while day <= end:
            items.append(
                [params.get("exchange") or "SSE", f"{day:%Y%m%d}", int(self._is_open(day)), None]
            )
            day += dt.timedelta(days=1)
        return items

    def _is_open(self, day: dt.date) -> bool:
        return (day.weekday() < 5) != (f"{day:%Y%m%d}" in self.flipped)

    def _stocks(self, params: Mapping[str, str]) -> Rows:
        if params.get("list_status", "L") != "L":
            return []
        return [
            [code, code[:6], f"股票{code[:6]}", "L", self.list_date, None] for code in self.codes
        ]

    def _daily(self, params: Mapping[str, str]) -> Rows:
        date = params["trade_date"]
        if date in self.rows_of:
            return self.rows_of[date]
        return [self.bar(code, date) for code in self._traded("daily", params)]

    def _factors(self, params: Mapping[str, str]) -> Rows:
        lost = self.lost_of.get(("adj_factor", params["trade_date"]), set())
        return [[code, params["trade_date"], 1.5] for code in self.codes if code not in lost]

    def _indicators(self, params: Mapping[str, str]) -> Rows:
        date = params["trade_date"]
        return [[code, date, self.close, None, 1e5] for code in self._traded("daily_basic", params)]

    def _suspensions(self, params: Mapping[str, str]) -> Rows:
        date = params["trade_date"]
        kinds = {"S": self.suspended, "R": self.resumed}
        return [
            [code, date, None, kind]
            for kind, codes in kinds.items()
            for code in sorted(codes.get(date, set()))
        ]

    def _index(self, params: Mapping[str, str]) -> Rows:
        days = self._calendar(params)
        held = [str(day) for _exchange, day, is_open, _before in days if is_open]
        return [
            [params["ts_code"], day, 3000.0, 2990.0, 3010.0, 2980.0]
            for day in held
            if self.index_days is None or day in self.index_days
        ]

    def _traded(self, name: str, params: Mapping[str, str]) -> list[str]:
        date = params["trade_date"]
        asked = params["ts_code"].split(",") if "ts_code" in params else self.codes
        absent = self.suspended.get(date, set()) | self.lost_of.get((name, date), set())
        if name == "daily":
            absent = absent | self.lost.get(date, set())
        return [code for code in asked if code not in absent]

    def bar(self, code: str, date: str) -> list[object]:
        return [code, date, 10.0, 10.5, 9.5, self.close, 9.9, 0.1, 1.0101, 12.5, 125.03]
