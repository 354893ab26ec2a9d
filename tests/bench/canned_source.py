"""A source that costs next to nothing: full days of the generated market, encoded beforehand.

A few days are made and encoded when it starts; asked for any date, it sends one of them with that
date in its rows. So what a benchmark measures is who asks, on any number of years, and not the
generator. `python -m tests.bench.canned_source [CODES]` prints its address and serves until it is
stopped.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socketserver
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import orjson

from datasync_app.library_calendar import FIRST_DAY
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.market import GeneratedMarket

IDENTITY = "sandbox:bench"
MODELS = [dt.date(2024, 3, day) for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15)]
_DATE = b"DDDDDDDD"
_EXCHANGES = {".SH": "SSE", ".SZ": "SZSE", ".BJ": "BSE"}


@contextmanager
def canned_source(codes: int | None = None) -> Iterator[None]:
    """The source in a process of its own, and the settings that point to it."""
    from django.conf import settings

    command = [sys.executable, "-m", "tests.bench.canned_source", *([str(codes)] if codes else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().removeprefix("listening on ").strip()
            os.environ["TUSHARE_BASE_URL"] = settings.TUSHARE_BASE_URL = url
            yield
        finally:
            process.terminate()


class Days:
    """The encoded days, the calendar and the list of the companies that are in them."""

    def __init__(self, codes: int) -> None:
        market = GeneratedMarket()
        models = [market.rows("daily", {"trade_date": f"{day:%Y%m%d}"}) for day in MODELS]
        listed = sorted({str(row[0]) for _fields, rows in models for row in rows})[:codes]
        kept = set(listed)
        self._daily, self._suspended = [], []
        for fields, rows in models:
            items = [[row[0], _DATE.decode(), *row[2:]] for row in rows if row[0] in kept]
            self._daily.append(encoded(fields, items))
            absent = sorted(kept - {str(item[0]) for item in items})
            suspended: list[list[object]] = [[code, _DATE.decode(), None, "S"] for code in absent]
            self._suspended.append(
                encoded(("ts_code", "trade_date", "suspend_timing", "suspend_type"), suspended)
            )
        self._stocks = encoded(
            ("ts_code", "symbol", "name", "exchange", "list_status", "list_date"),
            [[code, code[:6], code, _EXCHANGES[code[6:]], "L", "19901219"] for code in listed],
        )
        self._calendar = Calendar(dt.datetime.now(dt.UTC).year)

    def answer(self, api_name: str, params: Mapping[str, str]) -> bytes:
        if api_name == "daily":
            return _dated(self._daily, params["trade_date"])
        if api_name == "suspend_d":
            return _dated(self._suspended, params["trade_date"])
        if api_name == "stock_basic":
            return (
                self._stocks
                if params["list_status"] == "L"
                else encoded(("ts_code", "list_status"), [])
            )
        if api_name == "trade_cal":
            return self._year(params)
        raise ValueError(f"the canned source has no {api_name}")

    def _year(self, params: Mapping[str, str]) -> bytes:
        day = max(FIRST_DAY, _date(params["start_date"]))
        items = []
        while day <= _date(params["end_date"]):
            text = f"{day:%Y%m%d}"
            items.append([params["exchange"], text, int(text in self._calendar.numbers)])
            day += dt.timedelta(days=1)
        return encoded(("exchange", "cal_date", "is_open"), items)


def _dated(days: Sequence[bytes], date: str) -> bytes:
    """One of the days, which one is told by the date, with that date in its rows."""
    return days[int(date) % len(days)].replace(_DATE, date.encode())


def encoded(fields: Iterable[str], items: list[list[object]]) -> bytes:
    data = {"fields": list(fields), "items": items, "has_more": False, "count": -1}
    return orjson.dumps({"request_id": "canned", "code": 0, "msg": "", "data": data})


def _date(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%Y%m%d").date()


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        """Requests of one connection, of which only the length and the body are looked at."""
        while self.rfile.readline():
            length = 0
            while line := self.rfile.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            request = json.loads(self.rfile.read(length))
            body = self.server.days.answer(request["api_name"], request["params"])
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"X-StockSync-Source: {IDENTITY}\r\n\r\n"
            )
            self.wfile.write(head.encode())
            self.wfile.write(body)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, days: Days) -> None:
        self.days = days
        super().__init__(("127.0.0.1", 0), _Handler)


def main() -> None:
    codes = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with _Server(Days(codes)) as server:
        sys.stdout.write(f"listening on http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
