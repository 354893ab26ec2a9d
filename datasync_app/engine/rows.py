"""From the JSON items of an answer to typed rows, before any DataFrame.

pandas would turn None into NaN, which PostgreSQL stores without a word; here missing stays None.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datasync_app.datasets.base import Dataset, Field, Kind, Writing
from datasync_app.dates import parse_date
from datasync_app.errors import DatasyncError

Value = str | float | int | dt.date | None


class BadRows(DatasyncError):
    """The answer's rows cannot be what was asked for: a broken value, or one key twice."""


@dataclass(frozen=True)
class TypedRows:
    """Rows in the order of the source; `columns` are those the answer had, as declared."""

    columns: tuple[Field, ...]
    rows: list[tuple[Value, ...]]

    def column(self, name: str) -> list[Value]:
        index = [field.name for field in self.columns].index(name)
        return [row[index] for row in self.rows]

    def fingerprint(self) -> str:
        """A digest of the content that does not depend on the order of the rows."""
        # repr() gives every float its shortest exact form, in C.
        lines = sorted(map(repr, self.rows))
        names = ",".join(field.name for field in self.columns)
        return hashlib.sha256("\n".join([names, *lines]).encode()).hexdigest()


def typed_rows(
    dataset: Dataset, fields: Sequence[str], items: Sequence[Sequence[object]]
) -> TypedRows:
    """Type the items of an answer whose `fields` may be fewer and in another order than declared.

    Exact duplicates are dropped (the source repeats rows now and then).

    Raises:
        BadRows: a value is not of its field's type, a key is missing, or one key has two contents
            where the dataset keeps no versions.
    """
    position = {name: index for index, name in enumerate(fields)}
    columns = tuple(field for field in dataset.fields if field.name in position)
    readers = [(position[field.name], field, _READERS[field.kind]) for field in columns]
    names = [field.name for field in columns]
    key_at = [names.index(name) for name in dataset.key if name in names]
    required_at = [names.index(name) for name in dataset.key if name not in dataset.optional_key]
    has_versions = dataset.writing is Writing.VERSIONS
    by_key: dict[tuple[Value, ...], tuple[Value, ...]] = {}
    for item in items:
        row = tuple(_read(item[index], field, reader) for index, field, reader in readers)
        key = tuple(row[index] for index in key_at)
        if any(row[index] is None for index in required_at):
            raise BadRows(f"{dataset.name}: a row without its key {', '.join(dataset.key)}.")
        if by_key.setdefault(row if has_versions else key, row) != row:
            shown = ", ".join(str(part) for part in key)
            raise BadRows(f"{dataset.name}: two different rows for {shown} in one answer.")
    return TypedRows(columns, list(by_key.values()))


def _read(value: object, field: Field, reader: Callable[[object], Value]) -> Value:
    if value is None:
        return None
    try:
        return reader(value)
    except (ValueError, TypeError):
        raise BadRows(
            f"{field.name} is {value!r}, which is not a {field.kind.name.lower()}."
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    # PostgreSQL cannot store NUL, and no text of the source means anything by it.
    return value.replace("\0", "")


def _date(value: object) -> dt.date | None:
    text = _text(value)
    return parse_date(text) if text else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _flag(value: object) -> int | None:
    # is_open is a JSON number in recordings, and a string where it is an argument.
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(value)
    return None if value == "" else int(value)


_READERS: dict[Kind, Callable[[object], Value]] = {
    Kind.TEXT: _text,
    Kind.CODE: _text,
    Kind.DATE: _date,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
}
