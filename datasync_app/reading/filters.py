"""What rows of a dataset are asked by: its texts, its days and its flags, as it declares them."""

from __future__ import annotations

import datetime as dt
import re
from functools import cache

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django_filters import Filter, FilterSet

from datasync_app.datasets import DATASETS
from datasync_app.dates import parse_date
from datasync_app.reading.columns import Type, columns_of
from scheduler_app.errors import short

# So many values one filter may name.
MOST_VALUES = 1000
_ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SMALLEST, _LARGEST = -(2**15), 2**15 - 1


class DayField(forms.Field):
    """YYYYMMDD or YYYY-MM-DD."""

    def to_python(self, value: str | None) -> dt.date | None:
        if not value:
            return None
        try:
            is_iso = _ISO.fullmatch(value)
            return dt.date.fromisoformat(value) if is_iso else parse_date(value)
        except ValueError:
            said = _("The %(name)s is %(value)s; it takes a date as YYYYMMDD.")
            raise ValidationError(said, params=_named(self, value)) from None


class FlagField(forms.Field):
    def to_python(self, value: str | None) -> int | None:
        if not value:
            return None
        digits = value.removeprefix("-")
        is_whole = digits.isascii() and digits.isdigit() and len(digits) <= 5
        if is_whole and _SMALLEST <= int(value) <= _LARGEST:
            return int(value)
        said = _("The %(name)s is %(value)s; it takes a small whole number, such as 1.")
        raise ValidationError(said, params=_named(self, value))


class TextsField(forms.Field):
    """One or several values, separated by commas."""

    def to_python(self, value: str | None) -> list[str] | None:
        if not value:
            return None
        values = [part.strip() for part in value.split(",") if part.strip()]
        if "\0" in value:
            said = _("The %(name)s is %(value)s; it holds a character that no text has.")
            raise ValidationError(said, params=_named(self, value))
        if len(values) > MOST_VALUES:
            said = _("The %(name)s names %(count)d values; it takes at most %(most)d.")
            told = {**_named(self, value), "count": len(values), "most": MOST_VALUES}
            raise ValidationError(said, params=told)
        return values


class DayFilter(Filter):  # type: ignore[misc]  # django-filter has no types
    field_class = DayField


class FlagFilter(Filter):  # type: ignore[misc]
    field_class = FlagField


class TextsFilter(Filter):  # type: ignore[misc]
    field_class = TextsField


@cache
def filters_of(name: str) -> type[FilterSet]:
    """The filters of a dataset by that name: for each day its `__gte` and `__lte` as well."""
    dataset = DATASETS[name]
    filters: dict[str, Filter] = {}
    for column, kind in columns_of(dataset).items():
        if kind is Type.TEXT:
            filters[column] = TextsFilter(column, lookup_expr="in", label=column)
        elif kind is Type.WHOLE:
            filters[column] = FlagFilter(column, label=column)
        elif kind is Type.DATE:
            filters[column] = DayFilter(column, label=column)
            for sign in ("gte", "lte"):
                each = f"{column}__{sign}"
                filters[each] = DayFilter(column, lookup_expr=sign, label=each)
    meta = type("Meta", (), {"model": dataset.model, "fields": []})
    return type(f"{dataset.model.__name__}Filters", (FilterSet,), {"Meta": meta, **filters})


def _named(field: forms.Field, value: str) -> dict[str, object]:
    return {"name": field.label, "value": short(value)}
