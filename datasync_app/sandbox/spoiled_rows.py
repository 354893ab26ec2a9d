"""Answers whose table is spoiled: rows cut off, repeated, moved or left out.

Each takes the endpoint, the reply and a number in [0, 1) that decides where; a reply without the
rows or fields that would be spoiled comes back as it is.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from datasync_app.dates import parse_date, show_date
from datasync_app.protocol import ENDPOINTS, Endpoint, Rows
from datasync_app.sandbox.reply import Reply

# Keys and prices: what no answer to a sync may lack. Dates come with the endpoint.
_VITAL = ("ts_code", "open", "high", "low", "close", "pre_close", "exchange", "list_status")
_LEFT_OUT = 20  # one row in so many


def has_more(api_name: str, reply: Reply, draw: float) -> Reply:
    """The first half of the rows, and word that there are more."""
    if reply.data is None:
        return reply
    rows = _rows(reply.data)
    return _table(reply, items=rows[: (len(rows) + 1) // 2], has_more=True)


def at_cap(api_name: str, reply: Reply, draw: float) -> Reply:
    """Rows repeated up to the endpoint's cap, as of a source that cuts without a word."""
    row_cap = _endpoint(api_name).row_cap
    if reply.data is None or row_cap is None or not _rows(reply.data):
        return reply
    repeated = itertools.islice(itertools.cycle(_rows(reply.data)), row_cap)
    return _table(reply, items=list(repeated), has_more=False)


def other_date(api_name: str, reply: Reply, draw: float) -> Reply:
    """Every row as of the day before."""
    if reply.data is None:
        return reply
    fields, rows = _fields(reply.data), _rows(reply.data)
    name = _endpoint(api_name).date_field
    if name not in fields or not rows:
        return reply
    at = fields.index(name)
    return _table(reply, items=[[*row[:at], _before(row[at]), *row[at + 1 :]] for row in rows])


def missing_field(api_name: str, reply: Reply, draw: float) -> Reply:
    """One key or price field is in neither fields nor rows."""
    if reply.data is None:
        return reply
    fields = _fields(reply.data)
    vital = [name for name in fields if name in {*_VITAL, _endpoint(api_name).date_field}]
    if not vital:
        return reply
    at = fields.index(vital[int(draw * len(vital))])
    rows = [[*row[:at], *row[at + 1 :]] for row in _rows(reply.data)]
    return _table(reply, fields=[*fields[:at], *fields[at + 1 :]], items=rows)


def partial(api_name: str, reply: Reply, draw: float) -> Reply:
    """One row in twenty, and at least one, is left out; one row alone stays."""
    rows = _rows(reply.data) if reply.data is not None else []
    if len(rows) < 2:
        return reply
    count = max(1, len(rows) // _LEFT_OUT)
    at = int(draw * (len(rows) - count + 1))
    return _table(reply, items=rows[:at] + rows[at + count :])


def empty(api_name: str, reply: Reply, draw: float) -> Reply:
    """The fields, and no rows."""
    return reply if reply.data is None else _table(reply, items=[], has_more=False)


def _endpoint(api_name: str) -> Endpoint:
    return ENDPOINTS.get(api_name, Endpoint())


def _fields(data: Mapping[str, object]) -> list[str]:
    return cast("list[str]", data["fields"])


def _rows(data: Mapping[str, object]) -> Rows:
    return cast("Rows", data["items"])


def _before(value: object) -> object:
    if not isinstance(value, str) or not value:
        return value
    return show_date(parse_date(value) - dt.timedelta(days=1))


def _table(reply: Reply, **members: object) -> Reply:
    document = {**(reply.document or {}), "data": {**(reply.data or {}), **members}}
    return replace(reply, document=document)
