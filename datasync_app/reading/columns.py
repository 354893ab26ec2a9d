"""The columns of a dataset's table, and what identifies a row."""

from __future__ import annotations

import enum
from functools import cache

from django.db import models
from django.db.models import F, Model, UniqueConstraint
from django.db.models.expressions import BaseExpression, Combinable
from django.db.models.functions import Coalesce

from datasync_app.datasets.base import Dataset

KeyPart = F | Coalesce


class Type(enum.Enum):
    """What a column holds, NULL aside."""

    TEXT = "text"
    DATE = "date"
    MOMENT = "moment"
    NUMBER = "number"
    WHOLE = "whole"


_TYPES: tuple[tuple[type[models.Field[object, object]], Type], ...] = (
    (models.DateTimeField, Type.MOMENT),  # before the date, of which it is a kind
    (models.DateField, Type.DATE),
    (models.FloatField, Type.NUMBER),
    (models.IntegerField, Type.WHOLE),
    (models.CharField, Type.TEXT),
    (models.TextField, Type.TEXT),
)


def columns_of(dataset: Dataset) -> dict[str, Type]:
    """The columns by name: those of the source in its order, then ours, which tell versions apart."""
    held = {
        field.name: _type_of(field)
        for field in dataset.model._meta.concrete_fields
        if field.column and not isinstance(field, models.AutoField)
    }
    return {name: held[name] for name in (*dataset.field_names, *held)}


@cache
def key_of(model: type[Model]) -> tuple[KeyPart, ...]:
    """What orders and identifies a row, none of it NULL; an index of the table leads by it."""
    names = [field.name for field in model._meta.pk_fields]
    if not isinstance(model._meta.pk, models.AutoField):
        return tuple(F(name) for name in names)
    (identity,) = (
        each
        for each in model._meta.constraints
        if isinstance(each, UniqueConstraint) and each.expressions
    )
    return tuple(_typed(model, part) for part in identity.expressions)


def column_of(part: KeyPart) -> str:
    """The column that a part of a key is made from."""
    if isinstance(part, Coalesce):
        return column_of(part.get_source_expressions()[0])
    assert isinstance(part, F)  # noqa: S101 (keys are made of nothing else)
    return str(part.name)  # type: ignore[attr-defined]  # which the stubs do not know


def _type_of(field: models.Field[object, object]) -> Type:
    return next(kind for cls, kind in _TYPES if isinstance(field, cls))


def _typed(model: type[Model], part: BaseExpression | Combinable) -> KeyPart:
    """With the type of its column, which a constant beside it would leave open."""
    if not isinstance(part, Coalesce):
        assert isinstance(part, F)  # noqa: S101 (keys are made of nothing else)
        return part
    field = model._meta.get_field(column_of(part))
    assert isinstance(field, models.Field)  # noqa: S101 (a column, no relation)
    return Coalesce(*part.get_source_expressions(), output_field=field)
