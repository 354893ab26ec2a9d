"""A market of thirty stocks whose every answer a test can bend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

DAILY_FIELDS = [
    "ts_code", "trade_date", "open", "high", "low", "close", "pre_close",
    "change", "pct_chg", "vol", "amount",
]  # fmt: skip
STOCK_FIELDS = ["ts_code", "symbol", "name", "list_status", "list_date", "delist_date"]
CALENDAR_FIELDS = ["exchange", "cal_date", "is_open", "pretrade_date"]


class TinyMarket:
    """Weekdays are open. `lost[date]` codes are left out of that day's bars, `rows_of` replaces them."""

    identity = "sandbox:tiny"

    def __init__(self, codes: int = 30) -> None:
        self.codes = [f"{600000 + n}.SH" for n in range(codes)]
        self.lost: dict[str, set[str]] = {}
        self.rows_of: dict[str, list[list[object]]] = {}
        self.close = 10.0

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[list[str], list[list[object]]]:
        return {
            "trade_cal": self._calendar,
            "stock_basic": self._stocks,
            "daily": self._daily,
        }[api_name](params)

    def _calendar(self, params: Mapping[str, str]) -> tuple[list[str], list[list[object]]]:
        day = dt.datetime.strptime(params["start_date"], "%Y%m%d").date()
        end = dt.datetime.strptime(params["end_date"], "%Y%m%d").date()
        items: list[list[object]] = []
        while day <= end:
            items.append(
                [params.get("exchange") or "SSE", f"{day:%Y%m%d}", int(day.weekday() < 5), None]
            )
            day += dt.timedelta(days=1)
        return CALENDAR_FIELDS, items

    def _stocks(self, params: Mapping[str, str]) -> tuple[list[str], list[list[object]]]:
        if params.get("list_status", "L") != "L":
            return STOCK_FIELDS, []
        return STOCK_FIELDS, [
            [code, code[:6], f"股票{code[:6]}", "L", "20000104", None] for code in self.codes
        ]

    def _daily(self, params: Mapping[str, str]) -> tuple[list[str], list[list[object]]]:
        date = params["trade_date"]
        if date in self.rows_of:
            return DAILY_FIELDS, self.rows_of[date]
        return DAILY_FIELDS, [
            self.bar(code, date) for code in self.codes if code not in self.lost.get(date, ())
        ]

    def bar(self, code: str, date: str) -> list[object]:
        return [code, date, 10.0, 10.5, 9.5, self.close, 9.9, 0.1, 1.0101, 12.5, 125.03]
