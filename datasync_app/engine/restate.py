"""What an answer says otherwise than what is held, and its record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.engine.columns import Column, Value, differ, plain
from datasync_app.engine.held import Key, Match, keys, match, shown
from datasync_app.engine.rows import TypedRows
from datasync_app.models import CodeChange, RestatementKind, SyncRestatement

# A relative change below this, in a column that the source rounds anew now and then, is rounding.
ROUNDING = 1e-3
_BATCH = 2000


@dataclass(frozen=True)
class Change:
    """One value of one row: at position `old` of what is held, `new` of the answer."""

    column: str
    old_at: int
    new_at: int
    old: Value
    new: Value


@dataclass(frozen=True)
class Comparison:
    """An answer beside what is held for the same cell or the same keys."""

    dataset: Dataset
    held: TypedRows
    rows: TypedRows
    matched: Match

    @property
    def vanished(self) -> list[Key]:
        """Keys that are held and that the answer has under no name."""
        held = keys(self.dataset, self.held)
        return [held[at] for at in self.matched.only_old]


def compare(dataset: Dataset, held: TypedRows, rows: TypedRows) -> Comparison:
    """Find every held row in the answer, under its new code where the company was renumbered."""
    old, new = keys(dataset, held), keys(dataset, rows)
    matched = match(old, new)
    if len(matched.only_old) and "ts_code" in dataset.key:
        matched = match(_renumbered(dataset, old, set(new)), new)
    return Comparison(dataset, held, rows, matched)


def _renumbered(dataset: Dataset, old: Sequence[Key], new: set[Key]) -> list[Key]:
    """The held keys, with the later code for those that the answer has under it only."""
    successors = dict(CodeChange.objects.values_list("old_code", "new_code"))
    at = dataset.key.index("ts_code")
    renamed = []
    for key in old:
        successor = successors.get(str(key[at]))
        later = (*key[:at], successor, *key[at + 1 :])
        renamed.append(later if key not in new and successor and later in new else key)
    return renamed


def record(
    cell: Cell, comparison: Comparison, *, now: dt.datetime, not_asked: Collection[str] = ()
) -> int:
    """Write down what changed and which rows are no more; gives how many entries.

    Only columns that the answer has are compared, and that were asked for before. Keys that are new
    are no restatements: they were missing before.
    """
    entries = [*_changed(cell, comparison, not_asked, now), *_gone(cell, comparison, now)]
    SyncRestatement.objects.bulk_create(entries, batch_size=_BATCH)
    return len(entries)


def _changed(
    cell: Cell, comparison: Comparison, not_asked: Collection[str], now: dt.datetime
) -> Iterator[SyncRestatement]:
    dataset, held, rows = comparison.dataset, comparison.held, comparison.rows
    matched = comparison.matched
    key_of = keys(dataset, rows)
    for field in rows.columns:
        if field.name in dataset.key or field.name in not_asked:
            continue
        old, new = held[field.name][matched.old], rows[field.name][matched.new]
        changed = differ(old, new)
        if not changed.any():
            continue
        if field.name in dataset.rounded:
            sizes = _relative(old, new)
            rounded = changed & (sizes < ROUNDING)
            if rounded.any():
                said = {
                    "values": int(rounded.sum()),
                    "largest_change": float(sizes[rounded].max()),
                }
                yield _entry(
                    dataset, cell, RestatementKind.ROUNDING, now, column=field.name, new=said
                )
            changed &= ~rounded
        before, after = plain(old[changed]), plain(new[changed])
        positions = matched.new[changed]
        for at, was, is_now in zip(positions, before, after, strict=True):
            yield _entry(
                dataset,
                cell,
                RestatementKind.VALUE,
                now,
                key=as_json(dataset.key, key_of[at]),
                column=field.name,
                old=shown(was),
                new=shown(is_now),
            )


def _gone(cell: Cell, comparison: Comparison, now: dt.datetime) -> Iterator[SyncRestatement]:
    dataset = comparison.dataset
    lost = comparison.held.only(comparison.matched.only_old)
    names = [field.name for field in lost.columns]
    for key, row in zip(keys(dataset, lost), lost.rows, strict=True):
        yield _entry(
            dataset,
            cell,
            RestatementKind.GONE,
            now,
            key=as_json(dataset.key, key),
            old=as_json(names, row),
        )


def _entry(
    dataset: Dataset,
    cell: Cell,
    kind: RestatementKind,
    now: dt.datetime,
    *,
    key: dict[str, object] | None = None,
    column: str = "",
    old: object = None,
    new: object = None,
) -> SyncRestatement:
    return SyncRestatement(
        dataset=dataset.name, cell=cell.key, kind=kind, key=key or {}, column=column, old=old,
        new=new, at=now,
    )  # fmt: skip


def _relative(old: Column, new: Column) -> NDArray[np.float64]:
    """How much larger or smaller; infinite from or to NULL, and from 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes: NDArray[np.float64] = np.abs(new - old) / np.abs(old)
    sizes[np.isnan(sizes)] = np.inf
    return sizes


def as_json(names: Sequence[str], values: Sequence[Value]) -> dict[str, object]:
    return {name: shown(value) for name, value in zip(names, values, strict=True)}
