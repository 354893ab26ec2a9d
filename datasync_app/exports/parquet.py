"""Parquet files by dataset and year, with a manifest; only what changed is written anew."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.db.models import Max, Min

from datasync_app.datasets.base import Dataset
from datasync_app.engine.identity import stored_identity
from datasync_app.exports.arrow import Reading, schema_of
from datasync_app.exports.folder import Folder, keep
from datasync_app.exports.proof import Proof, prove, refuse_gaps
from datasync_app.reports.content import Span, columns_of, date_column, rows_sql
from datasync_app.reports.digest import RECIPE, digest_of
from datasync_app.snapshot import one_view

FORMAT = 1
MANIFEST = "manifest.json"
FILE = "part.parquet"


@dataclass(frozen=True)
class Partition:
    """A file: the rows of a year, or of a list. `digest` is that of a report over them, made by `sql`;
    `sha256` is that of the file. `not_good` are the cells of it that are not proved, and why.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    digest: str
    sql: str
    not_good: Mapping[str, str]
    written_at: str


@dataclass(frozen=True)
class Outcome:
    """What an export did. `gaps` are the cells that it marked, by dataset."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    rows: int
    gaps: Mapping[str, Mapping[str, str]]


def export_parquet(
    folder: Folder, datasets: Sequence[Dataset], *, now: dt.datetime, allow_incomplete: bool = False
) -> Outcome:
    """Bring the folder up to date: all of it from one state of the database, at once for readers.

    Raises:
        ExportRefused: what is asked for cannot be proved, or written there; the folder is as it was.
    """
    with one_view():
        proofs = [prove(dataset, now=now) for dataset in datasets]
        refuse_gaps(proofs, allowed=allow_incomplete)
        with folder.rewritten() as aside:
            before = _partitions(folder.current)
            after = {
                partition.path: partition
                for proof in proofs
                for partition in _export(proof, folder.current, aside, before, now)
            }
            _write_manifest(aside, proofs, after, now)
    written = tuple(path for path, part in after.items() if part.written_at == now.isoformat())
    return Outcome(
        written=written,
        kept=tuple(path for path in after if path not in written),
        dropped=tuple(path for path in before if path not in after),
        rows=sum(partition.rows for partition in after.values()),
        gaps={proof.dataset.name: proof.gaps for proof in proofs if proof.gaps},
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an exported folder."""
    document: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return document


def _export(
    proof: Proof, old: Path | None, aside: Path, before: Mapping[str, Partition], now: dt.datetime
) -> Iterator[Partition]:
    for year in _years(proof):
        span = proof.span if year is None else _within(proof.span, year)
        path = "/".join([proof.dataset.name, *([f"year={year}"] if year else []), FILE])
        statement = rows_sql(proof.dataset, span)
        partition = before.get(path)
        if old and partition and _stands(old / path, partition, statement):
            keep(old / path, aside / path)
            yield replace(partition, not_good=proof.of_year(year))
            continue
        written = _write(aside / path, proof.dataset, statement)
        yield Partition(
            path=path,
            **written,
            sql=statement,
            not_good=proof.of_year(year),
            written_at=now.isoformat(),
        )


def _stands(file: Path, partition: Partition, statement: str) -> bool:
    """Whether the file is as it was written, and the database has just those rows still."""
    is_whole = file.is_file() and file.stat().st_size == partition.bytes
    if not is_whole or statement != partition.sql:
        return False
    return digest_of(statement).sha256 == partition.digest


def _write(file: Path, dataset: Dataset, statement: str) -> dict[str, Any]:
    file.parent.mkdir(parents=True, exist_ok=True)
    schema, rows = schema_of(columns_of(dataset)), 0
    reading = Reading(statement, schema)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in reading.tables():
            writer.write_table(table)
            rows += table.num_rows
    with file.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    return {
        "rows": rows,
        "bytes": file.stat().st_size,
        "sha256": sha256,
        "digest": reading.sha256,
    }


def _years(proof: Proof) -> list[int | None]:
    """The years that have rows; of a list None, if it has any."""
    manager = proof.dataset.model._default_manager
    column = date_column(proof.dataset)
    if not column:
        return [None] if manager.exists() else []
    held = manager.all()
    if proof.span.first:
        held = held.filter(**{f"{column}__gte": proof.span.first})
    ends = held.aggregate(first=Min(column), last=Max(column))
    if ends["first"] is None:
        return []
    years = range(ends["first"].year, ends["last"].year + 1)
    return [year for year in years if held.filter(**{f"{column}__year": year}).exists()]


def _within(span: Span, year: int) -> Span:
    whole = Span.of_year(year)
    assert whole.first  # noqa: S101 (so it is made)
    return Span(max(whole.first, span.first or whole.first), whole.last)


def _partitions(folder: Path | None) -> dict[str, Partition]:
    """Those of the last export; none where there is none that this version can go on from."""
    if folder is None or not (folder / MANIFEST).is_file():
        return {}
    document = read_manifest(folder)
    if document.get("format") != FORMAT:
        return {}
    return {
        part["path"]: Partition(**part)
        for dataset in document["datasets"].values()
        for part in dataset["partitions"]
    }


def _write_manifest(
    aside: Path, proofs: Sequence[Proof], partitions: Mapping[str, Partition], now: dt.datetime
) -> None:
    document = {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "source": stored_identity() or "",
        "good": not any(proof.gaps for proof in proofs),
        "recipe": RECIPE,
        "datasets": {proof.dataset.name: _described(proof, partitions) for proof in proofs},
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (aside / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _described(proof: Proof, partitions: Mapping[str, Partition]) -> dict[str, Any]:
    of_it = f"{proof.dataset.name}/"
    return {
        "good": not proof.gaps,
        "kept_from": proof.span.first and proof.span.first.isoformat(),
        "not_good": dict(proof.gaps),
        "partitions": [asdict(part) for path, part in partitions.items() if path.startswith(of_it)],
    }
