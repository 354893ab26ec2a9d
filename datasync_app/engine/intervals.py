"""Writing rows that hold for a time: what comes is opened, what goes is closed, nothing is deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.engine import ledger
from datasync_app.engine.checks import AGREEMENT_GAP
from datasync_app.engine.rows import TypedRows, Value
from datasync_app.models import CellState, SyncLedger

Key = tuple[Value, ...]
Row = dict[str, Value]

EMPTY = "the source has no rows, and some must exist"


def merge_intervals(
    dataset: Dataset,
    cell: Cell,
    entry: SyncLedger,
    rows: TypedRows,
    *,
    on: dt.date,
    now: dt.datetime,
) -> CellState:
    """Make the open rows of the cell those of the answer, as of the day `on`; the cell's state.

    What the answer has and is not open is opened from `on`; what comes back on the day it went goes
    on. What is open and the answer lacks is closed up to `on`, once a second answer agrees; an
    answer without any row closes nothing. Where nothing was ever held and the dataset allows it, a
    second answer without rows confirms that there is none. Call inside the cell's transaction, its
    entry locked.
    """
    held = _open_rows(dataset, dataset.cut.rows(cell))
    names = [field.name for field in rows.columns]
    came: dict[Key, Row] = {}
    for values in rows.rows:
        row = dict(zip(names, values, strict=True))
        came[tuple(row[name] for name in dataset.key)] = row
    gone = held.keys() - came.keys()
    vanished = sorted(" ".join(map(str, key)) for key in gone)
    believed = bool(came) and (not gone or ledger.confirms(entry, vanished, now))
    if believed:
        close(dataset, gone, on)
        gone = set()
    _date(dataset, held.keys() & came.keys(), now)
    _change(dataset, held, came)
    _open(dataset, {key: row for key, row in came.items() if key not in held}, on, now)
    entry.cell_date, entry.fetched_at = cell.date, now
    entry.received_rows = len(came) + len(gone)
    if not entry.received_rows:
        return _nothing(entry, now, may_be_empty=dataset.may_be_empty(cell))
    entry.missing_since = None
    entry.state = CellState.COMPLETE
    if gone:
        ledger.write_doubt(entry, vanished, received=len(came), now=now)
        return CellState.COMPLETE
    entry.doubt = entry.next_attempt_at = None
    entry.not_asked = []
    entry.attempts, entry.last_error = 0, ""
    entry.save()
    return CellState.COMPLETE


def _nothing(entry: SyncLedger, now: dt.datetime, *, may_be_empty: bool) -> CellState:
    """Nothing came and nothing is held; two such answers, far enough apart, are believed."""
    entry.missing_since = entry.missing_since or now
    if may_be_empty and now - entry.missing_since >= AGREEMENT_GAP:
        entry.state = CellState.EMPTY_CONFIRMED
        entry.attempts, entry.next_attempt_at, entry.last_error = 0, None, ""
        entry.save()
    else:
        entry.attempts += 1
        ledger.write_problem(entry, CellState.DUE, EMPTY, now=now, retry_at=None)
    return CellState(entry.state)


def close(dataset: Dataset, keys: Iterable[Key], on: dt.date) -> None:
    """End the open rows of these keys: they held until the day before `on`."""
    for key in keys:
        _manager(dataset).filter(_is(dataset, key), valid_to=None).update(valid_to=on)


def _open_rows(dataset: Dataset, chosen: Q) -> dict[Key, Row]:
    names = dataset.field_names
    rows = _manager(dataset).filter(chosen, valid_to=None).values(*names)
    return {tuple(row[name] for name in dataset.key): row for row in rows}


def _open(dataset: Dataset, new: dict[Key, Row], on: dt.date, now: dt.datetime) -> None:
    """Insert them, save those that went this very day: they go on."""
    if not new:
        return
    back = _manager(dataset).filter(valid_to=on).values_list(*dataset.key)
    back = back.filter(**{f"{dataset.key[0]}__in": {key[0] for key in new}})
    returned = set(back) & new.keys()
    for key in returned:
        _manager(dataset).filter(_is(dataset, key), valid_to=on).update(
            valid_to=None, last_seen_at=now
        )
    _manager(dataset).bulk_create(
        dataset.model(**row, valid_from=on, first_seen_at=now, last_seen_at=now)
        for key, row in new.items()
        if key not in returned
    )


def _date(dataset: Dataset, keys: Iterable[Key], now: dt.datetime) -> None:
    """Note that they were seen again, for all rows of one id at once."""
    by_id: dict[Value, list[Key]] = {}
    for key in keys:
        by_id.setdefault(key[0], []).append(key)
    for first, same in by_id.items():
        rows = _manager(dataset).filter(**{dataset.key[0]: first}, valid_to=None)
        others = {name: {key[at] for key in same} for at, name in enumerate(dataset.key)}
        rows.filter(**{f"{name}__in": values for name, values in others.items()}).update(
            last_seen_at=now
        )


def _change(dataset: Dataset, held: dict[Key, Row], came: dict[Key, Row]) -> None:
    """Take over what the source now says of a row that goes on, such as its weight."""
    for key in held.keys() & came.keys():
        changed = {name: value for name, value in came[key].items() if held[key].get(name) != value}
        if changed:
            _manager(dataset).filter(_is(dataset, key), valid_to=None).update(**changed)


def _is(dataset: Dataset, key: Key) -> Q:
    return Q(**dict(zip(dataset.key, key, strict=True)))


def _manager(dataset: Dataset) -> Any:
    return dataset.model._default_manager
