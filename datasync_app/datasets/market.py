"""Market datasets: calendar, lists, and what the exchanges publish of each trade date."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext_lazy as _

from datasync_app.datasets.base import Dataset, Expectation, Field, Kind, Writing, fields
from datasync_app.datasets.cuts import (
    ByCodeYear,
    ByExchangeYear,
    ByListStatus,
    ByTradeDate,
    Whole,
)
from datasync_app.datasets.rules import (
    BAR_RULES,
    CALENDAR_HOLDS_FROM,
    NO_CLOSE,
    NO_FACTOR,
    ON_CLOSED_DAY,
)
from datasync_app.datasets.splits import ByCodes, ByShorterRange, ByValue
from datasync_app.models.market import (
    AdjFactor,
    BseMapping,
    Daily,
    DailyBasic,
    IndexDaily,
    NameChange,
    StockBasic,
    SuspendD,
    TradeCal,
)

EXCHANGES = ("SSE", "SZSE")

BY_TRADE_DATE = ByTradeDate()
BY_EXCHANGE_YEAR = ByExchangeYear()
BY_LIST_STATUS = ByListStatus()
BY_CODE_YEAR = ByCodeYear()
WHOLE = Whole()

TRADE_CAL = Dataset(
    name="trade_cal",
    title=_("exchange calendar"),
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
    title=_("stock list"),
    model=StockBasic,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        *fields(Kind.TEXT, "symbol name area industry fullname enname cnspell"),
        *fields(Kind.TEXT, "market exchange curr_type"),
        Field("list_status", Kind.CODE, required=True),
        *fields(Kind.DATE, "list_date delist_date"),
        # Whether shares may be bought through Hong Kong, and who controls the company.
        *fields(Kind.TEXT, "is_hs act_name act_ent_type"),
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
    title=_("daily bars"),
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
    due=(dt.time(17, 0),),
    sisters=("daily_basic", "adj_factor"),
    quarantine=BAR_RULES,
    # 000002.SZ traded on 19921004, a Sunday.
    closed_days_before=CALENDAR_HOLDS_FROM,
)

ADJ_FACTOR = Dataset(
    name="adj_factor",
    title=_("adjustment factors"),
    model=AdjFactor,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("trade_date", Kind.DATE, required=True),
        Field("adj_factor", Kind.NUMBER, required=True),
    ),
    key=("trade_date", "ts_code"),
    cut=BY_TRADE_DATE,
    expectation=Expectation.LISTED_CODES,
    split=ByCodes(most=1),
    # Published before the open, and corrected by some after the close.
    due=(dt.time(9, 30), dt.time(17, 30)),
    expects_suspended=True,
    sisters=("daily", "daily_basic"),
    quarantine=(NO_FACTOR, ON_CLOSED_DAY),
    rounded=frozenset({"adj_factor"}),
    minimal_points=2000,
)

DAILY_BASIC = Dataset(
    name="daily_basic",
    title=_("daily indicators"),
    model=DailyBasic,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("trade_date", Kind.DATE, required=True),
        Field("close", Kind.NUMBER, required=True),
        *fields(Kind.NUMBER, "turnover_rate turnover_rate_f volume_ratio pe pe_ttm pb ps ps_ttm"),
        *fields(Kind.NUMBER, "dv_ratio dv_ttm total_share float_share free_share total_mv circ_mv"),
        Field("limit_status", Kind.FLAG),  # sent only when named
    ),
    key=("trade_date", "ts_code"),
    cut=BY_TRADE_DATE,
    expectation=Expectation.LISTED_CODES,
    row_cap=6000,
    split=ByCodes(most=1),
    due=(dt.time(19, 0),),
    sisters=("daily", "adj_factor"),
    quarantine=(NO_CLOSE, ON_CLOSED_DAY),
    minimal_points=2000,
)

SUSPEND_D = Dataset(
    name="suspend_d",
    title=_("suspensions"),
    model=SuspendD,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("trade_date", Kind.DATE, required=True),
        Field("suspend_timing", Kind.TEXT),
        Field("suspend_type", Kind.CODE, required=True),
    ),
    key=("trade_date", "ts_code", "suspend_type", "suspend_timing"),
    optional_key=frozenset({"suspend_timing"}),
    cut=BY_TRADE_DATE,
    expectation=Expectation.NONE,
    due=(dt.time(18, 0),),
    empty_cells=frozenset({"*"}),
    # A lost suspension of the whole day shows in the bars; a lost resumption shows nowhere.
    read_twice=True,
    minimal_points=2000,
)

INDEX_DAILY = Dataset(
    name="index_daily",
    title=_("index bars"),
    model=IndexDaily,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("trade_date", Kind.DATE, required=True),
        *fields(Kind.NUMBER, "open high low close", required=True),
        *fields(Kind.NUMBER, "pre_close change pct_chg vol amount"),
    ),
    key=("trade_date", "ts_code"),
    cut=BY_CODE_YEAR,
    expectation=Expectation.OPEN_DAYS,
    row_cap=8000,
    split=ByShorterRange(),
    due=(dt.time(17, 0),),
    quarantine=BAR_RULES,
    minimal_points=2000,
)

NAMECHANGE = Dataset(
    name="namechange",
    title=_("names over time"),
    model=NameChange,
    fields=(
        Field("ts_code", Kind.CODE, required=True),
        Field("name", Kind.TEXT, required=True),
        Field("start_date", Kind.DATE, required=True),
        *fields(Kind.DATE, "end_date ann_date"),
        Field("change_reason", Kind.TEXT),
    ),
    key=("ts_code", "start_date", "name", "end_date", "ann_date", "change_reason"),
    optional_key=frozenset({"end_date", "ann_date", "change_reason"}),
    # Most rows have no announcement date to cut or ask by: all are asked for at once, and where that
    # answer is cut by lists of codes. Should the endpoint take no lists, by ranges of announcement
    # dates; what the cut answer had is kept.
    cut=WHOLE,
    expectation=Expectation.NONE,
    row_cap=10000,
    split=ByCodes(most=100, otherwise=ByShorterRange()),
    fresh_for=dt.timedelta(hours=24),
    minimal_points=2000,
)

BSE_MAPPING = Dataset(
    name="bse_mapping",
    title=_("renumbered codes of Beijing"),
    model=BseMapping,
    fields=(
        *fields(Kind.CODE, "o_code n_code", required=True),
        Field("name", Kind.TEXT),
        Field("list_date", Kind.DATE),
    ),
    key=("o_code",),
    cut=WHOLE,
    expectation=Expectation.NONE,
    row_cap=1000,
    fresh_for=dt.timedelta(days=7),
    empty_cells=frozenset({"*"}),
)
