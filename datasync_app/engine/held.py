"""Reading back what is held, as typed rows, and finding the same row in two sets of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.dates import show_date
from datasync_app.engine.columns import DTYPES, Column, Value, no_values, nulls
from datasync_app.engine.rows import TypedRows, in_order

Key = tuple[Value, ...]
Positions = NDArray[np.intp]


def rows_of_cell(dataset: Dataset, cell: Cell) -> TypedRows:
    """What is held of a cell, with every declared column."""
    return _read(dataset, dataset.cut.rows(cell))


def rows_of_keys(dataset: Dataset, rows: TypedRows) -> TypedRows:
    """What is held for the keys of these rows, whatever cell it came with."""
    condition = Q()
    for name in dataset.key:
        condition &= Q(**{f"{name}__in": set(rows.column(name))})
    held = _read(dataset, condition)
    wanted = set(keys(dataset, rows))
    return held.only(np.array([key in wanted for key in keys(dataset, held)], dtype=np.bool_))


def count_of_cell(dataset: Dataset, cell: Cell) -> int:
    held: int = dataset.model._default_manager.filter(dataset.cut.rows(cell)).count()
    return held


def keys(dataset: Dataset, rows: TypedRows) -> list[Key]:
    """The key of every row; an optional part that the answer lacked is NULL."""
    nothing: list[Value] = [None] * len(rows)
    names = [field.name for field in rows.columns]
    parts = (rows.column(name) if name in names else nothing for name in dataset.key)
    return list(zip(*parts, strict=True))


def name_of(dataset: Dataset, cell: Cell, key: Sequence[Value]) -> str:
    """The parts of a key that the cell does not tell: for a trade date, the code alone."""
    told = {name for name, value in dataset.cut.belongs(cell).items() if isinstance(value, str)}
    parts = zip(dataset.key, key, strict=True)
    return ", ".join(str(shown(value)) for name, value in parts if name not in told)


def shown(value: Value) -> str | float | int | None:
    """As the source writes it: dates as YYYYMMDD, NULL as null."""
    return show_date(value) if isinstance(value, dt.date) else value


@dataclass(frozen=True)
class Match:
    """The rows that two sets share: position `old[n]` of one is position `new[n]` of the other."""

    old: Positions
    new: Positions
    only_old: Positions


def match(old: Sequence[Key], new: Iterable[Key]) -> Match:
    position = {key: at for at, key in enumerate(new)}
    found = np.array([position.get(key, -1) for key in old], dtype=np.intp)
    return Match(np.flatnonzero(found >= 0), found[found >= 0], np.flatnonzero(found < 0))


def completed(
    dataset: Dataset, before: TypedRows, rows: TypedRows, spared: Collection[Key]
) -> TypedRows:
    """An answer with what it does not say: held rows of the `spared` keys, and columns it lacks."""
    names = {field.name for field in rows.columns}
    lacking = [
        field
        for field in dataset.fields
        if field.name not in names and not nulls(before[field.name]).all()
    ]
    if lacking:
        matched = match(keys(dataset, before), keys(dataset, rows))
        columns = list(rows.values)
        for field in lacking:
            column = no_values(field, len(rows))
            column[matched.new] = before[field.name][matched.old]
            columns.append(column)
        rows = TypedRows((*rows.columns, *lacking), tuple(columns))
    if not spared:
        return rows
    kept = before.only(np.array([key in spared for key in keys(dataset, before)], dtype=np.bool_))
    both = tuple(
        np.concatenate([values, kept[field.name]])
        for field, values in zip(rows.columns, rows.values, strict=True)
    )
    return in_order(dataset, TypedRows(rows.columns, both))


def _read(dataset: Dataset, condition: Q) -> TypedRows:
    stored = dataset.model._default_manager.filter(condition).order_by(*dataset.key)
    rows = list(stored.values_list(*dataset.field_names))
    by_field = list(zip(*rows, strict=True)) or [()] * len(dataset.fields)
    columns: list[Column] = [
        np.array(values, dtype=DTYPES[field.kind])
        for field, values in zip(dataset.fields, by_field, strict=True)
    ]
    return TypedRows(dataset.fields, tuple(columns))
