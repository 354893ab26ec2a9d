"""Rows of the database as Arrow tables, some ten thousand at a time, and their digest on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyarrow import csv

from datasync_app.reports.content import Column, Shape, copied

_AT_ONCE = 8_000_000
_TYPES = {
    Shape.TEXT: pa.string(),
    Shape.DAY: pa.date32(),
    Shape.NUMBER: pa.float64(),
    Shape.FLAG: pa.int16(),
    Shape.MOMENT: pa.timestamp("us", tz="UTC"),
    Shape.YES_OR_NO: pa.bool_(),
}


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, _TYPES[column.shape]) for column in columns])


class Reading:
    """The tables of a statement. Once they are all read, `sha256` is the digest of a report for it."""

    def __init__(self, statement: str, schema: pa.Schema) -> None:
        self._statement = statement
        self._read = csv.ReadOptions(column_names=schema.names)
        self._convert = csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def tables(self) -> Iterator[pa.Table]:
        """Each of some megabytes of text, cut between rows: that is how PostgreSQL sends them."""
        waiting, size = list[bytes](), 0
        for piece in copied(self._statement):
            waiting.append(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                yield self._table(b"".join(waiting))
                waiting, size = [], 0
        if waiting:
            yield self._table(b"".join(waiting))

    def _table(self, text: bytes) -> pa.Table:
        self._digest.update(text)
        parse = csv.ParseOptions(newlines_in_values=True)
        return csv.read_csv(
            pa.BufferReader(text), self._read, parse_options=parse, convert_options=self._convert
        )
