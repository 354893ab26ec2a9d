"""An answer in pieces is the document of an answer in one."""

from __future__ import annotations

import json

import pytest

from datasync_app.protocol.answers import envelope, written


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 9])
def test_pieces_make_the_document_and_tell_whether_there_is_more(size: int) -> None:
    rows: list[tuple[object, ...]] = [("a", 1.0), ("b", None), ("c", 2.5), ('d"', 3.0), ("e", 4.0)]
    batches = [rows[:2], rows[2:4], rows[4:]]
    pieces = written(["code", "close"], batches, size, text="said")
    answer = json.loads(b"".join(pieces))
    table = {
        "fields": ["code", "close"],
        "items": [list(row) for row in rows[:size]],
        "has_more": size < 5,
        "count": -1,
    }
    whole = envelope(data=table, text="said")
    assert {**answer, "request_id": ""} == {**whole, "request_id": ""}
