"""Writing a cell: rows, restatements, quarantine and ledger row commit together, or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from django.db import connection
from django.db.models import Model

from datasync_app.datasets.base import Cell, Dataset, Writing
from datasync_app.engine import held, ledger, quarantine, restate
from datasync_app.engine.binary_copy import HEADER, TRAILER
from datasync_app.engine.checks import Earlier, Verdict
from datasync_app.engine.copying import copying_into
from datasync_app.engine.guard import Fence
from datasync_app.engine.identity import claim_identity
from datasync_app.engine.rows import TypedRows
from datasync_app.engine.versions import contents_of, merge_versions
from datasync_app.models import CellState, SyncLedger

Judge = Callable[[TypedRows, Earlier | None], Verdict]

_MERGE_BATCH = 2000


def store_cell(
    dataset: Dataset,
    cell: Cell,
    rows: TypedRows,
    *,
    source: str,
    judge: Judge,
    fence: Fence,
    now: dt.datetime,
) -> Verdict:
    """Store the rows of a cell and the verdict on them, in one transaction.

    1. `fence()` opens the transaction and refuses if this run has been replaced.
    2. The source's identity is claimed or compared.
    3. The ledger row is locked, which orders concurrent writers of the cell.
    4. Rows that break a rule go to quarantine; for their keys, what is held stands.
    5. The others replace the cell, are merged, or kept as versions. What they change is a
       restatement. An answer that lacks keys that are held replaces nothing until a second one
       agrees.
    6. The verdict is written.

    Raises:
        SourceMismatch: the database belongs to another source.
    """
    with fence():
        _do_not_wait_for_the_disk()
        claim_identity(source)
        entry = ledger.locked_entry(dataset, cell)
        good, broken = quarantine.set_apart(dataset, cell, rows)
        stored: TypedRows | None = good
        if dataset.writing is Writing.VERSIONS:
            merge_versions(dataset, good, contents_of(good), now=now)
        elif dataset.writing is Writing.MERGE:
            _merge(dataset, cell, entry, good, now)
        else:
            spared = held.keys(dataset, broken.rows)
            stored = _replace(dataset, cell, entry, good, spared, now)
        if len(broken) or entry.fetched_at is not None:
            resolved_by = good if stored is not None else good.nothing
            quarantine.record(dataset, cell, broken, resolved_by, now=now)
        if stored is None:
            return Verdict(CellState(entry.state), entry.expected_rows, problem=entry.last_error)
        lacking = {}
        if len(broken):
            lacking = quarantine.lacking(dataset, cell, broken, set(held.keys(dataset, stored)))
        earlier = ledger.earlier_fetch(entry)
        verdict = judge(rows, earlier and earlier.without(lacking))
        verdict = quarantine.with_quarantined(verdict, lacking, earlier, now)
        state = ledger.write_verdict(
            entry,
            verdict,
            received=len(stored),
            fingerprint=stored.fingerprint if len(stored) else "",
            now=now,
            read_twice=dataset.read_twice,
        )
    return replace(verdict, state=state)


def _do_not_wait_for_the_disk() -> None:
    """Commit without waiting for the disk.

    If the machine loses power, the last cells may be lost, rows and ledger row together, and are
    fetched again. Whatever commits after them, such as the end of the run, waits for them too.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")


def _replace(
    dataset: Dataset,
    cell: Cell,
    entry: SyncLedger,
    rows: TypedRows,
    spared: list[held.Key],
    now: dt.datetime,
) -> TypedRows | None:
    """Make the cell hold these rows; gives what it holds, or None where they are not believed.

    Nothing is written where the same rows are held.
    """
    if not entry.received_rows:
        _write(dataset, cell, rows)
        return rows
    is_same = rows.fingerprint == entry.fingerprint
    if is_same and held.count_of_cell(dataset, cell) == entry.received_rows:
        return rows
    before = held.rows_of_cell(dataset, cell)
    after = held.completed(dataset, before, rows, spared)
    comparison = restate.compare(dataset, before, after)
    vanished = [held.name_of(dataset, cell, key) for key in comparison.vanished]
    if vanished:
        may_vanish = len(after) > 0 or dataset.may_be_empty(cell)
        if not may_vanish or not ledger.confirms(entry, vanished, now):
            ledger.write_doubt(entry, vanished, received=len(rows), now=now)
            return None
    restate.record(cell, comparison, now=now, not_asked=entry.not_asked)
    if after.fingerprint != before.fingerprint:
        _write(dataset, cell, after)
    return after


def _write(dataset: Dataset, cell: Cell, rows: TypedRows) -> None:
    """Delete the cell's rows and copy the new ones in: twice as fast as any upsert (decision 8)."""
    _manager(dataset.model).filter(dataset.cut.rows(cell)).delete()
    if not len(rows):
        return
    content = HEADER + rows.packed + TRAILER
    names = (field.name for field in rows.said)
    with copying_into(dataset.model._meta.db_table, names) as copy:
        copy.write(content)


def _merge(
    dataset: Dataset, cell: Cell, entry: SyncLedger, rows: TypedRows, now: dt.datetime
) -> None:
    """Insert or update by key. Fields the answer lacked keep what is stored; nothing is deleted."""
    comparison = restate.compare(dataset, held.rows_of_keys(dataset, rows), rows)
    restate.record(cell, comparison, now=now, not_asked=entry.not_asked)
    names = [field.name for field in rows.columns]
    changing = [name for name in names if name not in dataset.key]
    seen = [field.name for field in dataset.model._meta.fields if field.name == "last_seen_at"]
    _manager(dataset.model).bulk_create(
        [dataset.model(**dict(zip(names, row, strict=True))) for row in rows.rows],
        batch_size=_MERGE_BATCH,
        update_conflicts=True,
        update_fields=changing + seen,
        unique_fields=list(dataset.key),
    )


def _manager(model: type[Model]):  # type: ignore[no-untyped-def]  # the stubs give no manager to a bare Model
    return model._default_manager
