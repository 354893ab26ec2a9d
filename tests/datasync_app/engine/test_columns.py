"""Columns typed and packed whole, beside the same done value by value."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.datasets.base import Field, Kind
from datasync_app.dates import show_date
from datasync_app.engine.binary_copy import packed
from datasync_app.engine.columns import BadRows, Column, Value, differ, plain, typed_column

NUMBER, DATE, TEXT, FLAG = (
    Field(kind.name.lower(), kind) for kind in (Kind.NUMBER, Kind.DATE, Kind.TEXT, Kind.FLAG)
)
DATES = st.dates(dt.date(1990, 1, 1), dt.date(2099, 12, 31))
GOOD = {
    Kind.NUMBER: st.one_of(
        st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70)
    ),
    Kind.DATE: st.one_of(DATES.map(show_date), st.just("")),
    Kind.TEXT: st.text(),
    Kind.FLAG: st.integers(-(2**15), 2**15 - 1),
}
BAD = st.sampled_from(
    [
        True,
        float("nan"),
        float("inf"),
        10**400,
        [],
        {},
        "2020-01-06",
        "20201301",
        "\ud800",
        2**15,
        b"x",
    ]
)
BELOW_2000 = dt.date(2000, 1, 1)


def read(kind: Kind, value: object) -> Value:
    """What one value means, said as plainly as can be. Raises ValueError for what it cannot be."""
    if value is None:
        return None
    if kind is Kind.NUMBER and type(value) in (int, float):
        if not math.isfinite(float(value)):  # type: ignore[arg-type] # OverflowError is meant too
            raise ValueError(value)
        return float(value)  # type: ignore[arg-type]
    if kind is Kind.FLAG and type(value) in (int, str):
        number = int(value)  # type: ignore[call-overload]
        if not -(2**15) <= number < 2**15:
            raise ValueError(value)
        return int(number)
    if kind in {Kind.TEXT, Kind.DATE} and isinstance(value, str):
        value.encode()
        text = value.replace("\0", "")
        if kind is Kind.TEXT:
            return text
        if text and (len(text) != 8 or not (text.isascii() and text.isdigit())):
            raise ValueError(value)
        return dt.date.fromisoformat(text) if text else None
    raise ValueError(value)


def outcome(kind: Kind, values: Sequence[object]) -> list[Value] | None:
    try:
        return [read(kind, value) for value in values]
    except (ValueError, OverflowError):
        return None


@pytest.mark.parametrize("field", [NUMBER, DATE, TEXT, FLAG], ids=lambda field: field.name)
@given(data=st.data())
def test_a_column_says_what_each_of_its_values_says(field: Field, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), GOOD[field.kind], BAD), max_size=6))
    expected = outcome(field.kind, values)
    if expected is None:
        with pytest.raises(BadRows, match=field.name):
            typed_column(field, values)
    else:
        assert plain(typed_column(field, values)) == expected


@pytest.mark.parametrize("field", [NUMBER, DATE, TEXT, FLAG], ids=lambda field: field.name)
@given(data=st.data())
def test_null_differs_from_every_value_and_from_no_null(field: Field, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(*[st.one_of(st.none(), GOOD[field.kind])] * 2)))
    old, new = [one for one, _ in pairs], [other for _, other in pairs]
    columns = typed_column(field, old), typed_column(field, new)
    expected = [read(field.kind, one) != read(field.kind, other) for one, other in pairs]
    assert differ(*columns).tolist() == expected


def as_bytes(kind: Kind, value: Value) -> bytes:
    """A value in a binary COPY, its length before it, as PostgreSQL documents it."""
    if value is None:
        return struct.pack(">i", -1)
    if isinstance(value, dt.date):
        return struct.pack(">ii", 4, (value - BELOW_2000).days)
    if isinstance(value, float):
        return struct.pack(">id", 8, value)
    if isinstance(value, int):
        return struct.pack(">ih", 2, value)
    return struct.pack(">i", len(value.encode())) + value.encode()


@given(data=st.data())
def test_packed_columns_are_the_rows_of_a_binary_copy(data: st.DataObject) -> None:
    fields = data.draw(
        st.lists(st.sampled_from([NUMBER, DATE, TEXT, FLAG]), min_size=1, max_size=5)
    )
    rows = data.draw(
        st.lists(
            st.tuples(*(st.one_of(st.none(), GOOD[field.kind]) for field in fields)),
            min_size=1,
            max_size=6,
        )
    )
    columns: list[Column] = [
        typed_column(field, values)
        for field, values in zip(fields, zip(*rows, strict=True), strict=True)
    ]
    expected = b"".join(
        struct.pack(">h", len(fields))
        + b"".join(
            as_bytes(field.kind, read(field.kind, value))
            for field, value in zip(fields, row, strict=True)
        )
        for row in rows
    )
    assert packed(fields, columns) == expected
