"""Lists that only grow, newest first: each page goes on below the last id of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from scheduler_app.api.queries import Kind, whole_number
from scheduler_app.errors import short

DEFAULT_LIMIT = 20
MOST = 100

_M = TypeVar("_M", bound=Model)

PAGING = [
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    OpenApiParameter(
        "before",
        OpenApiTypes.INT64,
        description="only rows older than this id: `next` of the page before",
    ),
]


class PageSerializer(serializers.Serializer[Any]):
    next = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="the `before` of the next page; null on the last"
    )


def paged(filters: Mapping[str, Kind]) -> dict[str, Kind]:
    """The filters of a list, with those that turn its pages."""
    return {**filters, "limit": whole_number(1, MOST, DEFAULT_LIMIT), "before": _id}


def newest(rows: QuerySet[_M], given: Mapping[str, Any]) -> tuple[list[_M], int | None]:
    """The rows of the page that `given` asks for, and the `before` of the next page, or None."""
    if "before" in given:
        rows = rows.filter(pk__lt=given["before"])
    found = list(rows.order_by("-pk")[: given["limit"] + 1])
    shown = found[: given["limit"]]
    return shown, shown[-1].pk if len(found) > len(shown) else None


def number_of(id: str) -> int:
    """The id in an address, or one that no row has."""
    return int(id) if id.isascii() and id.isdigit() and len(id) <= 18 else 0


def _id(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError(_("The before is %s; it takes the id of a row.") % short(text))
    return int(text)
