"""Answers as Tushare writes them, whole or in pieces: HTTP 200 whatever is said."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

JSON = "application/json; charset=utf-8"


def envelope(
    *, code: int = 0, text: str = "", data: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The document of an answer: `code` 0 and a table, or another one, the reason and no table."""
    return {"request_id": str(uuid.uuid4()), "code": code, "data": data, "msg": text}


def written(
    columns: Sequence[str],
    batches: Iterable[Sequence[Sequence[object]]],
    size: int,
    *,
    text: str = "",
    has_more: bool = False,
) -> Iterator[bytes]:
    """The same document in pieces: at most `size` rows, and whether the batches have more, or
    there is more than they have.
    """
    left, more, first = size, False, True
    yield b'{"request_id":"%s","code":0,"data":{"fields":' % str(uuid.uuid4()).encode()
    yield orjson.dumps(columns) + b',"items":['
    for batch in batches:
        more = len(batch) > left
        rows = batch[:left]
        left -= len(rows)
        if rows:
            yield (b"" if first else b",") + orjson.dumps(rows)[1:-1]
            first = False
        if more:
            break
    yield b'],"has_more":%s,"count":-1},"msg":%s}' % (
        b"true" if more or has_more else b"false",
        orjson.dumps(text),
    )
