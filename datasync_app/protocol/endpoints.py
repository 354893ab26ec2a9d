"""What is documented of each endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST_ROWS = 100_000


@dataclass(frozen=True)
class Endpoint:
    """What is documented of an endpoint, whichever market answers it.

    `date_field` is what start_date and end_date range over, `one_of` the parameters of which one
    must be given, `defaults` what a parameter means when it is not.
    """

    date_field: str = ""
    row_cap: int | None = None
    minimal_points: int = 2000
    one_of: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Parameters that filter a field of another name."""
    filters: tuple[str, ...] = ()
    """The documented parameters that name values of a field."""

    @property
    def most_rows(self) -> int:
        """The rows of an answer at most; where no cap is stated, the sandbox has one of its own."""
        return self.row_cap or _MOST_ROWS


_SSE = {"exchange": "SSE"}
_PERIOD = {"period": "end_date"}
_BY_DAY = ("ts_code", "trade_date")
_BY_REPORT = ("ts_code", "ann_date", "period")

ENDPOINTS: Mapping[str, Endpoint] = {
    "user": Endpoint(minimal_points=0),
    "daily": Endpoint("trade_date", 6000, minimal_points=120, filters=_BY_DAY),
    "stock_basic": Endpoint(
        defaults={"list_status": "L"},
        filters=(
            "ts_code",
            "name",
            "market",
            "list_status",
            "exchange",
            "is_hs",
        ),
    ),
    "trade_cal": Endpoint(
        "cal_date",
        defaults=_SSE,
        filters=(
            "exchange",
            "is_open",
        ),
    ),
    "daily_basic": Endpoint("trade_date", 6000, filters=_BY_DAY),
    "adj_factor": Endpoint("trade_date", filters=_BY_DAY),
    "suspend_d": Endpoint(
        "trade_date",
        filters=(
            "ts_code",
            "trade_date",
            "suspend_type",
        ),
    ),
    "stk_limit": Endpoint("trade_date", 5800),
    "fina_indicator": Endpoint(
        "end_date", 100, one_of=("ts_code",), renamed=_PERIOD, filters=_BY_REPORT
    ),
    "fina_indicator_vip": Endpoint(
        "end_date", 10000, minimal_points=5000, renamed=_PERIOD, filters=_BY_REPORT
    ),
    "income": Endpoint("ann_date", one_of=("ts_code",), renamed=_PERIOD),
    "balancesheet": Endpoint("ann_date", one_of=("ts_code",), renamed=_PERIOD),
    "cashflow": Endpoint("ann_date", one_of=("ts_code",), renamed=_PERIOD),
    "disclosure_date": Endpoint(
        row_cap=3000,
        minimal_points=500,
        filters=(
            "ts_code",
            "end_date",
            "pre_date",
            "ann_date",
            "actual_date",
        ),
    ),
    "namechange": Endpoint("ann_date", 10000, filters=("ts_code",)),
    "index_daily": Endpoint("trade_date", 8000, one_of=("ts_code",), filters=_BY_DAY),
    "bse_mapping": Endpoint(
        row_cap=1000,
        minimal_points=120,
        filters=(
            "o_code",
            "n_code",
        ),
    ),
    "new_share": Endpoint("ipo_date", 2000, minimal_points=120),
    "concept": Endpoint(minimal_points=300, filters=("src",)),
    "concept_detail": Endpoint(
        minimal_points=300,
        one_of=("id", "ts_code"),
        filters=(
            "id",
            "ts_code",
        ),
    ),
    "ths_index": Endpoint(
        row_cap=5000,
        minimal_points=6000,
        filters=(
            "ts_code",
            "exchange",
            "type",
        ),
    ),
    "ths_member": Endpoint(
        minimal_points=6000,
        filters=(
            "ts_code",
            "con_code",
        ),
    ),
    "dc_index": Endpoint(
        "trade_date",
        5000,
        minimal_points=6000,
        filters=(
            "ts_code",
            "name",
            "trade_date",
        ),
    ),
    "dc_member": Endpoint(
        "trade_date",
        5000,
        minimal_points=6000,
        filters=(
            "ts_code",
            "con_code",
            "trade_date",
        ),
    ),
}
