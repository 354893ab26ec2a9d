"""Calls as Tushare takes them: a JSON body with endpoint, token, parameters and fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from datasync_app.dates import parse_date
from datasync_app.protocol.refusals import bad_parameter


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
