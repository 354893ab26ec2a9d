"""What the protocol reads: which rows of which table, in the order of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset, Field, Kind
from datasync_app.protocol.columns import COLUMNS

# Of a versioned report, the contents that the source gave when it was last asked for it.
_LAST_SEEN = """NOT EXISTS (SELECT FROM {table} AS newer WHERE newer.ts_code = {table}.ts_code
    AND newer.end_date = {table}.end_date AND newer.last_seen_at > {table}.last_seen_at)"""
# A renumbered company is on the source's list once; rows of its old code are kept here. Looked up once
# and not for each row, even where PostgreSQL has not counted the rows of a new table yet.
_NOT_RENUMBERED = """ts_code NOT IN (SELECT old_code FROM code_change
    WHERE new_code IN (SELECT heir.ts_code FROM stock_basic AS heir))"""
_HOLDS = "valid_to IS NULL"

# Numbers that the source writes without a decimal point, and flags that it writes as text.
_WHOLE = frozenset({"count", "up_num", "down_num"})
_TEXT_FLAGS = frozenset({"update_flag"})


@dataclass(frozen=True)
class Table:
    """An endpoint, answered from a dataset's table. `order` and `current` are SQL."""

    api_name: str
    dataset: Dataset
    order: str
    current: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the source, in its order. All of them are held."""
        return COLUMNS[self.api_name]

    @property
    def name(self) -> str:
        return self.dataset.model._meta.db_table

    def field(self, name: str) -> Field:
        (field,) = (each for each in self.dataset.fields if each.name == name)
        return field

    def expression(self, name: str) -> str:
        """SQL that gives a column as the source writes it."""
        quoted = f'"{name}"'
        if name in _WHOLE:
            return f"{quoted}::bigint"
        if name in _TEXT_FLAGS:
            return f"{quoted}::text"
        if self.field(name).kind is Kind.DATE:
            return f"to_char({quoted}, 'YYYYMMDD')"
        return quoted


_NEWEST_DAY = 'trade_date DESC, ts_code COLLATE "C"'
_NEWEST_REPORT = 'end_date DESC, ts_code COLLATE "C", ann_date, update_flag'
_MEMBERS = 'ts_code COLLATE "C", con_code COLLATE "C"'
_ORDERS: Mapping[str, str] = {
    "trade_cal": "cal_date DESC, exchange",
    "stock_basic": 'ts_code COLLATE "C"',
    "daily": _NEWEST_DAY,
    "daily_basic": _NEWEST_DAY,
    "adj_factor": _NEWEST_DAY,
    "suspend_d": f"{_NEWEST_DAY}, suspend_type DESC, suspend_timing",
    "index_daily": _NEWEST_DAY,
    "namechange": 'start_date DESC, ts_code COLLATE "C", end_date, ann_date, change_reason',
    "bse_mapping": 'o_code COLLATE "C"',
    "disclosure_date": 'end_date DESC, ts_code COLLATE "C"',
    "fina_indicator": _NEWEST_REPORT,
    "fina_indicator_vip": _NEWEST_REPORT,
    "concept": 'length(code), code COLLATE "C"',
    "concept_detail": 'length(id), id COLLATE "C", ts_code COLLATE "C"',
    "ths_index": 'ts_code COLLATE "C"',
    "ths_member": _MEMBERS,
    "dc_index": _NEWEST_DAY,
    "dc_member": f"trade_date DESC, {_MEMBERS}",
}
_CURRENT: Mapping[str, str] = {
    "stock_basic": _NOT_RENUMBERED,
    "disclosure_date": _LAST_SEEN.format(table="disclosure_date"),
    "fina_indicator": _LAST_SEEN.format(table="fina_indicator"),
    "fina_indicator_vip": _LAST_SEEN.format(table="fina_indicator"),
    **dict.fromkeys(
        ("concept", "concept_detail", "ths_index", "ths_member", "dc_index", "dc_member"), _HOLDS
    ),
}


def _table(api_name: str, order: str) -> Table:
    dataset = DATASETS[api_name.removesuffix("_vip")]
    return Table(api_name, dataset, order, _CURRENT.get(api_name, ""))


TABLES: Mapping[str, Table] = {name: _table(name, order) for name, order in _ORDERS.items()}
