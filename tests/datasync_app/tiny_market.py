"""A market of thirty stocks whose every answer a test can bend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from datasync_app.sandbox.protocol import Refusal, Rows

FIELDS: dict[str, tuple[str, ...]] = {
    "trade_cal": ("exchange", "cal_date", "is_open", "pretrade_date"),
    "stock_basic": ("ts_code", "symbol", "name", "list_status", "list_date", "delist_date"),
    "daily": (
        "ts_code", "trade_date", "open", "high", "low", "close", "pre_close",
        "change", "pct_chg", "vol", "amount",
    ),
}  # fmt: skip


class TinyMarket:
    """Weekdays are open. `lost[date]` codes are left out of that day's bars, `rows_of` replaces them."""

    identity = "sandbox:tiny"

    def __init__(self, codes: int = 30) -> None:
        self.codes = [f"{600000 + n}.SH" for n in range(codes)]
        self.lost: dict[str, set[str]] = {}
        self.rows_of: dict[str, list[list[object]]] = {}
        self.close = 10.0

    def serves(self, api_name: str) -> bool:
        return api_name in FIELDS

    def refuse(self, api_name: str) -> Refusal:
        raise AssertionError(f"nothing asks for {api_name} here")

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return FIELDS[api_name]

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        answers = {"trade_cal": self._calendar, "stock_basic": self._stocks, "daily": self._daily}
        return FIELDS[api_name], answers[api_name](params)

    def _calendar(self, params: Mapping[str, str]) -> Rows:
        day = dt.datetime.strptime(params["start_date"], "%Y%m%d").date()
        end = dt.datetime.strptime(params["end_date"], "%Y%m%d").date()
        items: Rows = []
        while day <= end:
            items.append(
                [params.get("exchange") or "SSE", f"{day:%Y%m%d}", int(day.weekday() < 5), None]
            )
            day += dt.timedelta(days=1)
        return items

    def _stocks(self, params: Mapping[str, str]) -> Rows:
        if params.get("list_status", "L") != "L":
            return []
        return [[code, code[:6], f"股票{code[:6]}", "L", "20000104", None] for code in self.codes]

    def _daily(self, params: Mapping[str, str]) -> Rows:
        date = params["trade_date"]
        asked = params["ts_code"].split(",") if "ts_code" in params else self.codes
        if date in self.rows_of:
            return self.rows_of[date]
        return [self.bar(code, date) for code in asked if code not in self.lost.get(date, ())]

    def bar(self, code: str, date: str) -> list[object]:
        return [code, date, 10.0, 10.5, 9.5, self.close, 9.9, 0.1, 1.0101, 12.5, 125.03]
