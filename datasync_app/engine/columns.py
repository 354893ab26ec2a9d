"""Typing the values of one field, a whole column at a time.

A column of plain values takes one look at their types and one pass in C. Whatever is not plain is
read value by value, and the first one that cannot be what its field declares is named.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from datasync_app.datasets.base import Field, Kind
from datasync_app.dates import parse_date
from datasync_app.errors import DatasyncError

Value = str | float | int | dt.date | None

Column = NDArray[Any]
"""float64 where NULL is NaN, datetime64[D] where NULL is NaT, or objects where NULL is None."""

DTYPES = {
    Kind.TEXT: "object",
    Kind.CODE: "object",
    Kind.DATE: "datetime64[D]",
    Kind.NUMBER: "float64",
    Kind.FLAG: "object",
}
_SMALLEST, _LARGEST = -(2**15), 2**15 - 1  # of a PostgreSQL int2


class BadRows(DatasyncError):
    """The answer's rows cannot be what was asked for: a broken value, or one key twice."""


def typed_column(field: Field, values: Sequence[object]) -> Column:
    """The column of these JSON values. Raises BadRows for one that is not of the field's type."""
    column = _FAST[field.kind](values)
    return column if column is not None else _one_by_one(field, values)


def no_values(field: Field, count: int) -> Column:
    """A column of NULLs."""
    return np.array([None] * count, dtype=DTYPES[field.kind])


def nulls(column: Column) -> NDArray[np.bool_]:
    """Where the column has no value."""
    if column.dtype == object:
        return np.equal(column, None, dtype=np.bool_)  # type: ignore[call-overload, no-any-return]
    return np.isnat(column) if column.dtype.kind == "M" else np.isnan(column)


def differ(column: Column, other: Column) -> NDArray[np.bool_]:
    """Where two columns of one field say different things; NULL is like NULL."""
    unlike: NDArray[np.bool_] = column != other
    return unlike if column.dtype == object else unlike & ~(nulls(column) & nulls(other))


def plain(column: Column) -> list[Value]:
    """Python's own values, NULL as None."""
    values = cast("list[Value]", column.tolist())
    if column.dtype != np.float64:
        return values
    return [None if value != value else value for value in values]  # noqa: PLR0124 (NaN)


def _numbers(values: Sequence[object]) -> Column | None:
    if not set(map(type, values)) <= {float, int, NoneType}:
        return None
    try:
        column = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    is_whole = np.count_nonzero(np.isfinite(column)) == len(values) - values.count(None)
    return column if is_whole else None


def _texts(values: Sequence[object]) -> Column | None:
    if not set(map(type, values)) <= {str, NoneType}:
        return None
    joined = "".join(filter(None, cast("Sequence[str]", values)))
    if "\0" in joined or not _is_storable(joined):
        return None
    return np.array(values, dtype=object)


def _dates(values: Sequence[object]) -> Column | None:
    if not set(map(type, values)) <= {str, NoneType}:
        return None
    try:  # few dates, many rows
        days = {text: parse_date(cast("str", text)) if text else None for text in set(values)}
    except ValueError:
        return None
    if len(days) == 1:
        return np.full(len(values), next(iter(days.values())), dtype="datetime64[D]")
    numbers = {text: np.datetime64(day, "D").astype(np.int64) for text, day in days.items()}
    return np.array([numbers[cast("str", text)] for text in values]).view("datetime64[D]")


def _never(values: Sequence[object]) -> None:
    return None


_FAST: dict[Kind, Callable[[Sequence[object]], Column | None]] = {
    Kind.TEXT: _texts,
    Kind.CODE: _texts,
    Kind.DATE: _dates,
    Kind.NUMBER: _numbers,
    Kind.FLAG: _never,  # small answers, in which numbers come as strings too
}


def _one_by_one(field: Field, values: Sequence[object]) -> Column:
    reader = _READERS[field.kind]
    read = [None if value is None else _read(value, field, reader) for value in values]
    return np.array(read, dtype=DTYPES[field.kind])


def _read(value: object, field: Field, reader: Callable[[object], Value]) -> Value:
    try:
        return reader(value)
    except (ValueError, TypeError, OverflowError):
        raise BadRows(
            f"{field.name} is {value!r:.200}, which is not a {field.kind.name.lower()}."
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    if not _is_storable(value):
        raise ValueError(value)
    # PostgreSQL cannot store NUL, and no text of the source means anything by it.
    return value.replace("\0", "")


def _is_storable(text: str) -> bool:
    """Half a surrogate pair may stand in JSON, and is no character."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _date(value: object) -> dt.date | None:
    text = _text(value)
    return parse_date(text) if text else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _flag(value: object) -> int:
    # is_open is a JSON number in recordings, and a string where it is an argument.
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(value)
    number = int(value)
    if not _SMALLEST <= number <= _LARGEST:
        raise ValueError(value)
    return number


_READERS: dict[Kind, Callable[[object], Value]] = {
    Kind.TEXT: _text,
    Kind.CODE: _text,
    Kind.DATE: _date,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
}
