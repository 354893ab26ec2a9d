"""Rows in the order of their key, from where the last page ended: no page counts or skips rows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, Field, Func, Model, QuerySet, TextField, Value
from django.db.models.lookups import GreaterThan

from datasync_app.errors import BadCursor
from datasync_app.reading.columns import KeyPart, column_of, key_of

Row = tuple[object, ...]
Key = tuple[object, ...]
LONGEST_CURSOR = 2000


class _Row(Func):
    template = "ROW(%(expressions)s)"
    output_field = TextField()


class _After(GreaterThan):
    output_field = BooleanField()


def page(
    rows: QuerySet[Model], columns: Sequence[str], size: int, after: Key | None = None
) -> tuple[list[Row], Key | None]:
    """At most `size` rows after that key, and the key after which more follow, or None."""
    key = key_of(rows.model)
    if after is not None:
        values = [_value(rows.model, part, value) for part, value in zip(key, after, strict=True)]
        rows = rows.filter(_After(_Row(*key), _Row(*values)))
    asked = rows.order_by(*key).values_list(*columns, *key)
    found = list(asked[: size + 1])
    width = len(columns)
    last = found[size - 1][width:] if len(found) > size else None
    return [row[:width] for row in found[:size]], last


def batches(rows: QuerySet[Model], columns: Sequence[str], size: int) -> Iterator[list[Row]]:
    """All the rows, so many at a time; nothing is held open or kept in memory between them."""
    after: Key | None = None
    while True:
        found, after = page(rows, columns, size, after)
        if found:
            yield found
        if after is None:
            return


def write_cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def read_cursor(model: type[Model], text: str) -> Key:
    """The key that `write_cursor` wrote. Raises BadCursor for anything else."""
    key = key_of(model)
    try:
        if len(text) > LONGEST_CURSOR:
            raise BadCursor(text)
        padded = text + "=" * (-len(text) % 4)
        found = orjson.loads(base64.b64decode(padded.encode("ascii"), b"-_", validate=True))
        if not isinstance(found, list) or len(found) != len(key):
            raise BadCursor(text)
        return tuple(_from_text(model, part, value) for part, value in zip(key, found, strict=True))
    except (binascii.Error, ValueError, ValidationError):
        raise BadCursor(text) from None


def _from_text(model: type[Model], part: KeyPart, value: object) -> object:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    return _field(model, part).to_python(value)


def _value(model: type[Model], part: KeyPart, value: object) -> Value:
    return Value(value, output_field=_field(model, part))


def _field(model: type[Model], part: KeyPart) -> Field[Any, Any]:
    field = model._meta.get_field(column_of(part))
    assert isinstance(field, Field)  # noqa: S101 (a column, no relation)
    return field
