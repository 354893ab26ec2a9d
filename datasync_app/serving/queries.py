"""A call, understood: which columns and rows of which table are asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from datasync_app.datasets.base import Kind
from datasync_app.dates import parse_date
from datasync_app.protocol import ENDPOINTS, Request, bad_parameter, date_range, missing_parameter
from datasync_app.protocol.columns import default_columns, kept_columns
from datasync_app.protocol.pages import Page, page_of
from datasync_app.serving.tables import Table

# So many values one parameter may name.
MOST_VALUES = 10_000
# So many rows an answer may have whose call says how many it wants.
MOST_ROWS = 2_000_000
_YES = frozenset({"1", "true", "yes"})


@dataclass(frozen=True)
class Query:
    """`wanted` maps columns to the values they may have, dates as dates. `first` and `last` bound the
    endpoint's date, both included; None where the call leaves that end open.
    """

    table: Table
    columns: tuple[str, ...]
    wanted: Mapping[str, frozenset[str] | frozenset[dt.date]]
    first: dt.date | None
    last: dt.date | None
    page: Page
    allows_incomplete: bool

    @property
    def date_field(self) -> str:
        return ENDPOINTS[self.table.api_name].date_field

    @property
    def size(self) -> int:
        """The rows of the answer at most. A call that gives `limit` may have more than Tushare's cap."""
        if self.page.limit is not None:
            return self.page.size(MOST_ROWS)
        return ENDPOINTS[self.table.api_name].most_rows

    def texts(self, column: str) -> frozenset[str]:
        """The values asked for in a column of text; none where it is not asked by."""
        return frozenset(value for value in self.wanted.get(column, ()) if isinstance(value, str))

    def dates(self, column: str) -> list[dt.date]:
        return sorted(value for value in self.wanted.get(column, ()) if isinstance(value, dt.date))


def read_query(table: Table, request: Request) -> Query:
    """The query of a call of that table's endpoint. Parameters nobody documented mean nothing.

    Raises:
        Refusal: a parameter is missing or makes no sense.
    """
    endpoint = ENDPOINTS[table.api_name]
    params = {**endpoint.defaults, **request.params}
    if any("\x00" in text or not _is_utf8(text) for text in params.values()):
        raise bad_parameter()
    if endpoint.one_of and not any(name in params for name in endpoint.one_of):
        raise missing_parameter(*endpoint.one_of)
    wanted: dict[str, frozenset[str] | frozenset[dt.date]] = {}
    for name in endpoint.filters:
        if name in params:
            column = endpoint.renamed.get(name, name)
            wanted[column] = _values(table, column, params[name])
    first, last = _range(params) if endpoint.date_field else (None, None)
    for day in (wanted.get(endpoint.date_field) or ()) if endpoint.date_field else ():
        assert isinstance(day, dt.date)  # noqa: S101 (so its field is declared)
        first, last = max(first or day, day), min(last or day, day)
    return Query(
        table=table,
        columns=kept_columns(request.fields, table.columns, default_columns(table.api_name)),
        wanted=wanted,
        first=first,
        last=last,
        page=page_of(params),
        allows_incomplete=params.get("allow_incomplete", "").lower() in _YES,
    )


def _values(table: Table, column: str, text: str) -> frozenset[str] | frozenset[dt.date]:
    values = {part.strip() for part in text.split(",")} - {""}
    if len(values) > MOST_VALUES:
        raise bad_parameter()
    if table.field(column).kind is not Kind.DATE:
        return frozenset(values)
    if len(values) != 1:
        raise bad_parameter()
    try:
        return frozenset(parse_date(value) for value in values)
    except ValueError:
        raise bad_parameter() from None


def _range(params: Mapping[str, str]) -> tuple[dt.date | None, dt.date | None]:
    start, end = date_range(params)
    return (
        parse_date(start) if "start_date" in params else None,
        parse_date(end) if "end_date" in params else None,
    )


def _is_utf8(text: str) -> bool:
    """Whether PostgreSQL can be asked for it: JSON may name half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
