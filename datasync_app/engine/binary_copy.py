"""Rows in the format of PostgreSQL's binary COPY, packed a column at a time.

A row is its number of fields and, for each, the length of the value (-1 for NULL) and the value, all
in network order. Here every field gets as many bytes as its longest value needs, and the bytes that a
shorter value leaves are cut out of the whole at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from datasync_app.datasets.base import Field, Kind
from datasync_app.engine.columns import Column, nulls

Bytes = NDArray[np.uint8]
Lengths = NDArray[np.int32]

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_NULL = -1
_EPOCH = np.datetime64("2000-01-01", "D")  # PostgreSQL's


def packed(fields: Sequence[Field], columns: Sequence[Column]) -> bytes:
    """The rows of these columns, without header and trailer."""
    count = len(columns[0])
    values = [_packed(field, column) for field, column in zip(fields, columns, strict=True)]
    row = np.empty((count, 2 + sum(4 + value.shape[1] for value, _ in values)), dtype=np.uint8)
    row[:, :2] = _in_network_order(np.array([len(fields)]), ">i2")
    shorter = []
    at = 2
    for value, lengths in values:
        row[:, at : at + 4] = _in_network_order(lengths, ">i4")
        at += 4
        width = value.shape[1]
        row[:, at : at + width] = value
        if width and int(lengths.min()) < width:
            shorter.append((at, width, lengths))
        at += width
    if not shorter:
        return row.tobytes()
    is_used = np.ones(row.shape, dtype=np.bool_)
    for at, width, lengths in shorter:
        is_used[:, at : at + width] = np.arange(width) < lengths[:, np.newaxis]
    return row[is_used].tobytes()


def encoded(column: Column) -> NDArray[np.bytes_]:
    """A column of texts in UTF-8, all as wide as the longest; NULL is empty."""
    return np.array([b"" if text is None else text.encode() for text in column], dtype=np.bytes_)


def _packed(field: Field, column: Column) -> tuple[Bytes, Lengths]:
    """The values side by side, and how many bytes each has."""
    return _PACKERS[field.kind](column)


def _texts(column: Column) -> tuple[Bytes, Lengths]:
    texts = encoded(column)
    lengths = np.char.str_len(texts).astype(np.int32)
    lengths[nulls(column)] = _NULL
    return texts.view(np.uint8).reshape(len(texts), -1), lengths


def _numbers(column: Column) -> tuple[Bytes, Lengths]:
    return _fixed(_in_network_order(column, ">f8"), column)


def _dates(column: Column) -> tuple[Bytes, Lengths]:
    days = np.where(nulls(column), _EPOCH, column) - _EPOCH
    return _fixed(_in_network_order(days.astype(np.int64), ">i4"), column)


def _flags(column: Column) -> tuple[Bytes, Lengths]:
    numbers = np.where(nulls(column), 0, column).astype(np.int64)
    return _fixed(_in_network_order(numbers, ">i2"), column)


def _fixed(value: Bytes, column: Column) -> tuple[Bytes, Lengths]:
    return value, np.where(nulls(column), _NULL, value.shape[1]).astype(np.int32)


def _in_network_order(numbers: NDArray[np.generic], kind: str) -> Bytes:
    return numbers.astype(kind).view(np.uint8).reshape(len(numbers), -1)


_PACKERS: dict[Kind, Callable[[Column], tuple[Bytes, Lengths]]] = {
    Kind.TEXT: _texts,
    Kind.CODE: _texts,
    Kind.DATE: _dates,
    Kind.NUMBER: _numbers,
    Kind.FLAG: _flags,
}
