"""Market datasets: calendar, basics, daily bars."""

from __future__ import annotations

import datetime as dt

from datasync_app.datasets.base import Dataset, Expectation, Field, Kind, Writing, fields
from datasync_app.datasets.cuts import ByExchangeYear, ByListStatus, ByTradeDate
from datasync_app.datasets.splits import ByCodes, ByShorterRange, ByValue
from datasync_app.models.market import Daily, StockBasic, TradeCal

EXCHANGES = ("SSE", "SZSE")

BY_TRADE_DATE = ByTradeDate()
BY_EXCHANGE_YEAR = ByExchangeYear()
BY_LIST_STATUS = ByListStatus()

TRADE_CAL = Dataset(
    name="trade_cal",
    title="exchange calendar",
    model=TradeCal,
    fields=(
        Field("exchange", Kind.CODE, required=True),
        Field("cal_date", Kind.DATE, required=True),
        Field("is_open", Kind.FLAG, required=True),
        Field("pretrade_date", Kind.DATE),
    ),
    key=("cal_date", "exchange"),
    cut=BY_EXCHANGE_YEAR,
    expectation=Expectation.EVERY_DAY_OF_YEAR,
    split=ByShorterRange(),
    fresh_for=dt.timedelta(hours=24),
    minimal_points=2000,
)

STOCK_BASIC = Dataset(
    name="stock_basic",
    title="stock list",
    model=StockBasic,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        *fields(Kind.TEXT, "symbol name area industry fullname enname market exchange curr_type"),
        Field("list_status", Kind.CODE, required=True),
        *fields(Kind.DATE, "list_date delist_date"),
        Field("is_hs", Kind.TEXT),
    ),
    key=("ts_code",),
    cut=BY_LIST_STATUS,
    expectation=Expectation.NONE,
    writing=Writing.MERGE,
    split=ByValue("exchange", ("SSE", "SZSE", "BSE")),
    fresh_for=dt.timedelta(hours=12),
    # A market may have nobody delisted, paused or awaiting listing; it always has listed companies.
    empty_cells=frozenset({"D", "P", "G"}),
    minimal_points=2000,
)

DAILY = Dataset(
    name="daily",
    title="daily bars",
    model=Daily,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("trade_date", Kind.DATE, required=True),
        *fields(Kind.NUMBER, "open high low close pre_close", required=True),
        *fields(Kind.NUMBER, "change pct_chg vol amount"),
        # Fixed-price trades after hours, counted apart since 20260706 and sent only when named.
        *fields(Kind.NUMBER, "ah_vol ah_amount"),
    ),
    key=("trade_date", "ts_code"),
    cut=BY_TRADE_DATE,
    expectation=Expectation.LISTED_CODES,
    row_cap=6000,
    split=ByCodes(most=100),
    due=dt.time(17, 0),
)
