"""Writing a cell: its rows and its ledger row commit together, or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import connection
from django.db.models import Model

from datasync_app.datasets.base import Cell, Dataset, Writing
from datasync_app.engine import ledger
from datasync_app.engine.checks import Earlier, Verdict
from datasync_app.engine.identity import claim_identity
from datasync_app.engine.rows import TypedRows
from datasync_app.engine.versions import merge_versions
from datasync_app.models import CellState

Fence = Callable[[], AbstractContextManager[None]]
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
    4. The rows are replaced, merged or kept as versions; an empty answer never deletes rows that are
       held.
    5. The verdict is written.

    Raises:
        SourceMismatch: the database belongs to another source.
    """
    with fence():
        claim_identity(source)
        entry = ledger.locked_entry(dataset, cell)
        verdict = judge(rows, ledger.earlier_fetch(entry))
        versioned = dataset.writing is Writing.VERSIONS
        if not rows.rows and entry.received_rows and not versioned:
            ledger.write_problem(
                entry,
                CellState.PARTIAL,
                f"the source now has no rows, while {entry.received_rows} are held",
                now=now,
                retry_at=None,
            )
            return Verdict(CellState(entry.state), entry.expected_rows, problem=entry.last_error)
        if versioned:
            merge_versions(dataset, rows, now=now)
        elif dataset.writing is Writing.MERGE:
            _merge(dataset, rows)
        elif rows.rows:
            _replace(dataset, cell, rows)
        ledger.write_verdict(
            entry,
            verdict,
            received=len(rows.rows),
            fingerprint=rows.fingerprint() if rows.rows else "",
            now=now,
        )
    return verdict


def _replace(dataset: Dataset, cell: Cell, rows: TypedRows) -> None:
    """Delete the cell's rows and copy the new ones in: twice as fast as any upsert (decision 8)."""
    _manager(dataset.model).filter(dataset.cut.rows(cell)).delete()
    quote = connection.ops.quote_name
    table = quote(dataset.model._meta.db_table)
    columns = ", ".join(quote(field.name) for field in rows.columns)
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([field.kind.value for field in rows.columns])
        for row in rows.rows:
            copy.write_row(row)


def _merge(dataset: Dataset, rows: TypedRows) -> None:
    """Insert or update by key. Fields the answer lacked keep what is stored."""
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
