"""The columns of each endpoint, in the order of the source, and those that must be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from datasync_app.protocol.indicator_fields import INDICATOR_DEFAULTS, INDICATOR_FIELDS

VALUATION_FIELDS = (
    *("ts_code", "trade_date", "close", "turnover_rate", "turnover_rate_f", "volume_ratio"),
    *("pe", "pe_ttm", "pb", "ps", "ps_ttm", "dv_ratio", "dv_ttm"),
    *("total_share", "float_share", "free_share", "total_mv", "circ_mv", "limit_status"),
)
INDEX_FIELDS = (
    *("ts_code", "trade_date", "close", "open", "high", "low", "pre_close"),
    *("change", "pct_chg", "vol", "amount"),
)
DAILY_FIELDS = (
    *("ts_code", "trade_date", "open", "high", "low", "close", "pre_close"),
    *("change", "pct_chg", "vol", "amount", "ah_vol", "ah_amount"),
)
BASIC_FIELDS = (
    *("ts_code", "symbol", "name", "area", "industry", "fullname", "enname", "cnspell", "market"),
    *("exchange", "curr_type", "list_status", "list_date", "delist_date", "is_hs"),
    *("act_name", "act_ent_type"),
)
DISCLOSURE_FIELDS = ("ts_code", "ann_date", "end_date", "pre_date", "actual_date", "modify_date")
THS_INDEX_FIELDS = ("ts_code", "name", "count", "exchange", "list_date", "type")

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trade_cal": ("exchange", "cal_date", "is_open", "pretrade_date"),
    "stock_basic": BASIC_FIELDS,
    "daily": DAILY_FIELDS,
    "daily_basic": VALUATION_FIELDS,
    "adj_factor": ("ts_code", "trade_date", "adj_factor"),
    "suspend_d": ("ts_code", "trade_date", "suspend_timing", "suspend_type"),
    "index_daily": INDEX_FIELDS,
    "namechange": ("ts_code", "name", "start_date", "end_date", "ann_date", "change_reason"),
    "bse_mapping": ("name", "o_code", "n_code", "list_date"),
    "disclosure_date": DISCLOSURE_FIELDS,
    "fina_indicator": INDICATOR_FIELDS,
    "fina_indicator_vip": INDICATOR_FIELDS,
    "concept": ("code", "name", "src"),
    "concept_detail": ("id", "concept_name", "ts_code", "name", "in_date", "out_date"),
    "ths_index": THS_INDEX_FIELDS,
    "ths_member": (
        *("ts_code", "con_code", "con_name", "weight", "in_date", "out_date", "is_new"),
    ),
    "dc_index": (
        *("ts_code", "trade_date", "name", "leading", "leading_code", "pct_change", "leading_pct"),
        *("total_mv", "turnover_rate", "up_num", "down_num"),
    ),
    "dc_member": ("trade_date", "ts_code", "con_code", "name"),
}

_BASIC_HIDDEN = (
    "fullname",
    "enname",
    "exchange",
    "curr_type",
    "list_status",
    "delist_date",
    "is_hs",
)
_HIDDEN: Mapping[str, frozenset[str]] = {
    "stock_basic": frozenset(_BASIC_HIDDEN),
    "daily": frozenset(("ah_vol", "ah_amount")),
    "daily_basic": frozenset(("limit_status",)),
    "disclosure_date": frozenset(("modify_date",)),
    "fina_indicator": frozenset(INDICATOR_FIELDS) - frozenset(INDICATOR_DEFAULTS),
    "fina_indicator_vip": frozenset(INDICATOR_FIELDS) - frozenset(INDICATOR_DEFAULTS),
    "concept_detail": frozenset(("in_date", "out_date")),
    "ths_member": frozenset(("weight", "in_date", "out_date", "is_new")),
}


def default_columns(api_name: str, there: Iterable[str] | None = None) -> tuple[str, ...]:
    """The columns of an answer when no fields are asked for: of all there are, or of those `there`."""
    hidden = _HIDDEN.get(api_name, frozenset())
    columns = COLUMNS[api_name] if there is None else there
    return tuple(name for name in columns if name not in hidden)


def kept_columns(
    asked: tuple[str, ...], there: tuple[str, ...], defaults: tuple[str, ...]
) -> tuple[str, ...]:
    """The columns of an answer: those asked for, in that order; unknown names are dropped silently."""
    return tuple(name for name in asked if name in there) or defaults
