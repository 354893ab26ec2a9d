"""From the JSON items of an answer to typed rows, before any DataFrame.

pandas would turn None into NaN, which PostgreSQL stores without a word; here missing stays missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from datasync_app.datasets.base import Dataset, Field, Writing
from datasync_app.engine.binary_copy import encoded, packed
from datasync_app.engine.columns import BadRows, Column, Value, differ, nulls, plain, typed_column

__all__ = ["BadRows", "Column", "TypedRows", "Value", "typed_rows"]

Row = tuple[Value, ...]
Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TypedRows:
    """Rows in the order of their key; `columns` are those the answer had, as declared."""

    columns: tuple[Field, ...]
    values: tuple[Column, ...]
    """One column of values for each of `columns`."""

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    def __getitem__(self, name: str) -> Column:
        """The values of a column as they are held. Raises KeyError for one the answer lacked."""
        for field, values in zip(self.columns, self.values, strict=True):
            if field.name == name:
                return values
        raise KeyError(name)

    def column(self, name: str) -> list[Value]:
        return plain(self[name])

    @cached_property
    def rows(self) -> list[Row]:
        """Python's own values, a tuple for each row."""
        return list(zip(*map(plain, self.values), strict=True))

    def only(self, chosen: NDArray[np.bool_] | Positions) -> TypedRows:
        """The rows of a mask, or at these positions in this order."""
        return TypedRows(self.columns, tuple(values[chosen] for values in self.values))

    @property
    def nothing(self) -> TypedRows:
        """The same columns without any row."""
        return self.only(np.zeros(len(self), dtype=np.bool_))

    @cached_property
    def said(self) -> tuple[Field, ...]:
        """The columns that have a value in any row. The others are NULL, as if they were not there."""
        filled = zip(self.columns, self.values, strict=True)
        return tuple(field for field, values in filled if not nulls(values).all())

    @cached_property
    def packed(self) -> bytes:
        """The `said` columns of all rows, as a binary COPY takes them."""
        return packed(self.said, [self[field.name] for field in self.said]) if len(self) else b""

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the content: not of the order of the source, nor of columns without a value."""
        names = ",".join(field.name for field in self.said)
        digest = hashlib.sha256(names.encode() + b"\n")
        digest.update(self.packed)
        return digest.hexdigest()

    def prepare(self) -> None:
        """Work out now, on this thread, what writing the rows will ask for."""
        self.fingerprint  # noqa: B018 (kept)


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
    # All values in one list, of which every so-many-th is a column.
    values = [value for item in items for value in item]
    rows = TypedRows(
        columns,
        tuple(
            typed_column(field, values[position[field.name] :: len(fields)]) for field in columns
        ),
    )
    if any(nulls(rows[name]).any() for name in dataset.key if name not in dataset.optional_key):
        raise BadRows(f"{dataset.name}: a row without its key {', '.join(dataset.key)}.")
    if dataset.writing is Writing.VERSIONS:
        return _each_version_once(rows)
    return _each_once(dataset, in_order(dataset, rows))


def in_order(dataset: Dataset, rows: TypedRows) -> TypedRows:
    """The same rows in the order of their key, NULL last."""
    by: list[Column] = []
    for name in _key_columns(dataset, rows):
        column = rows[name]
        by += [nulls(column), encoded(column) if column.dtype == object else column]
    return rows.only(np.lexsort(by[::-1]))  # the last one given counts first


def _each_version_once(rows: TypedRows) -> TypedRows:
    """One key may have several contents; the same content counts once."""
    first: dict[Row, int] = {}
    for at, row in enumerate(rows.rows):
        first.setdefault(row, at)
    return rows.only(np.array([first[row] for row in sorted(first, key=repr)], dtype=np.intp))


def _key_columns(dataset: Dataset, rows: TypedRows) -> list[str]:
    """The parts of the key that the answer has: it may lack optional ones."""
    names = {field.name for field in rows.columns}
    return [name for name in dataset.key if name in names]


def _each_once(dataset: Dataset, rows: TypedRows) -> TypedRows:
    """Of rows in the order of their key, each key once."""
    key = _key_columns(dataset, rows)
    repeats = np.ones(max(len(rows) - 1, 0), dtype=np.bool_)
    for name in key:
        repeats &= ~differ(rows[name][1:], rows[name][:-1])
    if not repeats.any():
        return rows
    for values in rows.values:
        contradicted = repeats & differ(values[1:], values[:-1])
        if contradicted.any():
            at = int(contradicted.argmax())
            shown = ", ".join(str(rows.column(name)[at]) for name in key)
            raise BadRows(f"{dataset.name}: two different rows for {shown} in one answer.")
    return rows.only(np.append(True, ~repeats))
