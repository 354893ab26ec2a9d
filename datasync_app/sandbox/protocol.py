"""Tushare's wire protocol: requests, endpoints, refusals. The texts and codes are recorded ones."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from datasync_app.dates import parse_date
from datasync_app.errors import DatasyncError

Rows = list[list[object]]
Clock = Callable[[], dt.datetime]
_MOST_ROWS = 100_000
_MORE = "https://tushare.pro/document/1?doc_id=108。"


class SandboxProblem(DatasyncError):
    """The sandbox cannot be set up as asked; the message says what is valid."""


class Refusal(DatasyncError):
    """A call that is answered with a code other than 0. `reason` is our word for it."""

    def __init__(self, code: int, text: str, reason: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.reason = reason


def bad_token() -> Refusal:
    return Refusal(40101, "您的token不对，请确认。", "token")


def rate_exceeded(api_name: str, calls: int, unit: str) -> Refusal:
    text = f"抱歉，您访问接口({api_name})频率超限({calls}次/{unit})，具体频次详情：{_MORE}"
    return Refusal(40203, text, "rate")


def rate_exceeded_formerly(calls: int, unit: str) -> Refusal:
    """The wording to 2025. It names 权限 too, and no endpoint."""
    text = f"抱歉，您每{unit}最多访问该接口{calls}次，权限的具体详情访问：{_MORE}"
    return Refusal(40203, text, "rate")


def no_permission(api_name: str = "") -> Refusal:
    """Both wordings are recorded: with the endpoint in brackets, and without."""
    named = f"({api_name})" if api_name else ""
    text = f"抱歉，您没有接口{named}访问权限，权限的具体详情访问：{_MORE}"
    return Refusal(40203, text, "permission")


def no_permission_formerly() -> Refusal:
    """The wording to 2020."""
    text = f"抱歉，您没有访问该接口的权限，权限的具体详情访问：{_MORE}"
    return Refusal(2002, text, "permission")


def too_many_addresses() -> Refusal:
    return Refusal(40204, "您的IP数量超限，最大数量为2个！", "ip")


def server_error() -> Refusal:
    text = "服务器错误，请稍后再试！期待您能把错误反馈给我们，谢谢！"
    # The text is recorded, its code is not.
    return Refusal(-1, text, "server")


def missing_parameter(*names: str) -> Refusal:
    text = f"参数校验失败, {','.join(names)}至少输入一个参数"
    return Refusal(50101, text, "parameter")


def bad_parameter() -> Refusal:
    return Refusal(50101, "查询数据失败，请确认参数！可以反馈管理员协助您排查问题", "parameter")


def unknown_endpoint() -> Refusal:
    return Refusal(40101, "请指定正确的接口名", "endpoint")


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

    @property
    def most_rows(self) -> int:
        """The rows of an answer at most; where no cap is stated, the sandbox has one of its own."""
        return self.row_cap or _MOST_ROWS


_SSE = {"exchange": "SSE"}
_PERIOD = {"period": "end_date"}

ENDPOINTS: Mapping[str, Endpoint] = {
    "user": Endpoint(minimal_points=0),
    "daily": Endpoint("trade_date", 6000, minimal_points=120),
    "stock_basic": Endpoint(defaults={"list_status": "L"}),
    "trade_cal": Endpoint("cal_date", defaults=_SSE),
    "daily_basic": Endpoint("trade_date", 6000),
    "adj_factor": Endpoint("trade_date"),
    "suspend_d": Endpoint("trade_date"),
    "stk_limit": Endpoint("trade_date", 5800),
    "fina_indicator": Endpoint("end_date", 100, one_of=("ts_code",), renamed=_PERIOD),
    "fina_indicator_vip": Endpoint("end_date", 10000, minimal_points=5000, renamed=_PERIOD),
    "income": Endpoint("ann_date", one_of=("ts_code",), renamed=_PERIOD),
    "balancesheet": Endpoint("ann_date", one_of=("ts_code",), renamed=_PERIOD),
    "cashflow": Endpoint("ann_date", one_of=("ts_code",), renamed=_PERIOD),
    "disclosure_date": Endpoint(row_cap=3000, minimal_points=500),
    "namechange": Endpoint("ann_date", 10000),
    "index_daily": Endpoint("trade_date", 8000, one_of=("ts_code",)),
    "bse_mapping": Endpoint(row_cap=1000, minimal_points=120),
    "new_share": Endpoint("ipo_date", 2000, minimal_points=120),
    "concept": Endpoint(minimal_points=300),
    "concept_detail": Endpoint(minimal_points=300, one_of=("id", "ts_code")),
    "ths_index": Endpoint(row_cap=5000, minimal_points=6000),
    "ths_member": Endpoint(minimal_points=6000),
    "dc_index": Endpoint("trade_date", 5000, minimal_points=6000),
    "dc_member": Endpoint("trade_date", 5000, minimal_points=6000),
}


class Market(Protocol):
    """Where the rows come from. `identity` is what the answer header tells: kind and name."""

    identity: str

    def serves(self, api_name: str) -> bool:
        """Whether it has the endpoint at all."""

    def refuse(self, api_name: str) -> Refusal:
        """What a call of an endpoint that it does not have is answered."""

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        """The fields of an answer when none are asked for."""

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        """Every field there is, and the rows that match, in the order of the source.

        Raises:
            Refusal: the parameters make no sense.
        """


@runtime_checkable
class TruthTeller(Protocol):
    """A market that can also tell what it will have published by the end of the day."""

    def truth(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        """As `rows`, but whole: whatever the time of day, and without a cap."""


@dataclass(frozen=True)
class Request:
    """A parsed call. The token is compared and forgotten: it is in no repr."""

    api_name: str
    token: str = field(repr=False)
    params: Mapping[str, str]
    fields: tuple[str, ...]


def parse_request(path: str, body: bytes) -> Request:
    """The call in a body; the endpoint may be named in the path instead.

    Raises:
        Refusal: the body is not what Tushare documents.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_parameter() from None
    if not isinstance(document, dict):
        raise bad_parameter()
    params = document.get("params") or {}
    token = document.get("token") or ""
    api_name = document.get("api_name") or path.removeprefix("/dataapi").strip("/")
    texts = isinstance(token, str) and isinstance(api_name, str)
    if not texts or not isinstance(params, dict):
        raise bad_parameter()
    given = {str(name): _text(value) for name, value in params.items()}
    # The SDK adds its base URL to the parameters, and `user` repeats the token in them.
    kept = {name: text for name, text in given.items() if text}
    kept.pop("ts_type_name", None)
    kept.pop("token", None)
    return Request(api_name, token, kept, _names(document.get("fields")))


def _text(value: object) -> str:
    """A parameter as text; null and an empty string both mean "not given"."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).strip()


def _names(value: object) -> tuple[str, ...]:
    """Field names: one comma-separated string, or the list that some clients send."""
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(dict.fromkeys(name for part in parts if (name := str(part).strip())))


def date_range(params: Mapping[str, str]) -> tuple[str, str]:
    """start_date and end_date, both included, as YYYYMMDD; open ends are the ends of time.

    Raises:
        Refusal: one of them is not a date.
    """
    start, end = params.get("start_date", "00010101"), params.get("end_date", "99991231")
    for text in (start, end):
        try:
            parse_date(text)
        except ValueError:
            raise bad_parameter() from None
    return start, end
