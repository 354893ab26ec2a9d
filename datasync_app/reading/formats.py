"""Rows as files, in pieces: the memory they take does not depend on how many there are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datasync_app.reading.columns import Type
from datasync_app.reading.paging import Row

CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
# So many values a batch holds, so that wide tables take no more memory than narrow ones.
_VALUES_AT_ONCE = 240_000


def rows_at_once(columns: Mapping[str, Type]) -> int:
    return max(_VALUES_AT_ONCE // len(columns), 1)


def as_csv(columns: Mapping[str, Type], batches: Iterable[list[Row]]) -> Iterator[bytes]:
    """A header, then a line for each row; NULL is empty, dates and moments are in ISO 8601."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for batch in batches:
        writer.writerows(batch)
        yield _taken(text).encode()
    yield _taken(text).encode()


def as_parquet(columns: Mapping[str, Type], batches: Iterable[list[Row]]) -> Iterator[bytes]:
    """Each batch is a row group; NULL stays NULL, dates are dates, moments are in UTC."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        Type.TEXT: pa.string(),
        Type.DATE: pa.date32(),
        Type.MOMENT: pa.timestamp("us", tz="UTC"),
        Type.NUMBER: pa.float64(),
        Type.WHOLE: pa.int16(),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    pieces = _Pieces()
    with pq.ParquetWriter(pieces, schema, compression="zstd") as writer:
        for batch in batches:
            arrays: list[Any] = [
                pa.array(values, type=field.type)
                for field, values in zip(schema, zip(*batch, strict=True), strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield pieces.taken()
    yield pieces.taken()


class _Pieces(io.RawIOBase):
    """What was written since the last piece was taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        pieces, self._pieces = b"".join(self._pieces), []
        return pieces


def _taken(text: io.StringIO) -> str:
    written = text.getvalue()
    text.seek(0)
    text.truncate()
    return written
