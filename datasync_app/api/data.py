"""The rows of every dataset that is held: page by page as JSON, whole as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path
from django.utils import translation
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from datasync_app.api.serializers import DatasetListSerializer
from datasync_app.api.throttles import FileThrottle, PageThrottle, ThrottledView
from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset
from datasync_app.errors import BadCursor
from datasync_app.reading import formats
from datasync_app.reading.columns import Type, columns_of
from datasync_app.reading.filters import DayFilter, FlagFilter, TextsFilter, filters_of
from datasync_app.reading.paging import batches, page, read_cursor, write_cursor
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView
from scheduler_app.api.queries import read_query, whole_number
from scheduler_app.errors import InvalidSchedule, short

DEFAULT_LIMIT = 1000
MOST = 10_000
FORMATS = ("json", "csv", "parquet")
_MEDIA_TYPES = {formats.CSV_TYPE: "csv", formats.PARQUET_TYPE: "parquet"}
_SCHEMAS: Mapping[Type, Mapping[str, str]] = {
    Type.TEXT: {"type": "string"},
    Type.DATE: {"type": "string", "format": "date"},
    Type.MOMENT: {"type": "string", "format": "date-time"},
    Type.NUMBER: {"type": "number"},
    Type.WHOLE: {"type": "integer"},
}
_LOOKUPS = {
    TextsFilter: "one value, or several separated by commas",
    FlagFilter: "a whole number",
    DayFilter: "YYYYMMDD or YYYY-MM-DD",
}


class DatasetListView(ApiView):
    @extend_schema(
        operation_id="datasets",
        tags=["data"],
        responses=doc.answers(DatasetListSerializer, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """Every dataset, with its columns, what identifies a row, and what it can be asked by."""
        read_query(request, {})
        results = [
            {
                "dataset": name,
                "title": dataset.title,
                "key": list(dataset.key),
                "columns": {column: kind.value for column, kind in columns_of(dataset).items()},
                "filters": list(filters_of(name).base_filters),
                "address": f"/api/data/{name}",
            }
            for name, dataset in DATASETS.items()
        ]
        return Response({"results": results})


class DataView(ThrottledView):
    """The rows of one dataset, in the order of their key."""

    dataset: ClassVar[Dataset]

    def get_throttles(self) -> list[BaseThrottle]:
        return [PageThrottle() if _format(self.request) == "json" else FileThrottle()]

    def get(self, request: Request) -> HttpResponseBase:
        filters = filters_of(self.dataset.name)
        given = read_query(
            request,
            {
                **dict.fromkeys(filters.base_filters, str),
                "fields": str,
                "format": FORMATS,
                "limit": whole_number(1, MOST, DEFAULT_LIMIT),
                "cursor": str,
            },
        )
        asked = filters({name: given.get(name) for name in filters.base_filters})
        if not asked.is_valid():
            raise InvalidSchedule({name: " ".join(said) for name, said in asked.errors.items()})
        columns = self._columns(given.get("fields"))
        form = _format(request)
        if form == "json":
            return self._page(request, asked.qs, columns, given)
        if beside := [name for name in ("limit", "cursor") if name in request.query_params]:
            said = _("A file has every row: there is no %(name)s, only in JSON.")
            raise InvalidSchedule({name: said % {"name": name} for name in beside})
        rows = batches(asked.qs, list(columns), formats.rows_at_once(columns))
        write, media_type = {
            "csv": (formats.as_csv, formats.CSV_TYPE),
            "parquet": (formats.as_parquet, formats.PARQUET_TYPE),
        }[form]
        answer = StreamingHttpResponse(write(columns, rows), content_type=media_type)
        answer["Content-Disposition"] = f'attachment; filename="{self.dataset.name}.{form}"'
        return answer

    def _page(
        self, request: Request, rows: Any, columns: Mapping[str, Type], given: Mapping[str, Any]
    ) -> HttpResponse:
        after = None
        if cursor := given.get("cursor"):
            try:
                after = read_cursor(self.dataset.model, cursor)
            except BadCursor:
                said = _("The cursor is %s; take the one of `next`, as it is.") % short(cursor)
                raise InvalidSchedule({"cursor": said}) from None
        found, last = page(rows, list(columns), given["limit"], after)
        query = {**request.query_params.dict(), "cursor": write_cursor(last) if last else ""}
        body = {
            "results": [dict(zip(columns, row, strict=True)) for row in found],
            "next": f"{request.path}?{urlencode(query)}" if last else None,
        }
        return HttpResponse(orjson.dumps(body), content_type="application/json")

    def _columns(self, text: str | None) -> dict[str, Type]:
        """Those that are asked for, in the table's own order; all of them by default."""
        held = columns_of(self.dataset)
        asked = {name.strip() for name in (text or "").split(",")} - {""}
        if strange := sorted(asked - set(held)):
            said = _("There is no field %(name)s. The fields are: %(fields)s.")
            told = {"name": short(strange[0]), "fields": ", ".join(held)}
            raise InvalidSchedule({"fields": said % told})
        return {name: kind for name, kind in held.items() if not asked or name in asked}


class UnknownDataView(ApiView):
    @extend_schema(exclude=True)
    def get(self, request: Request, dataset: str) -> Response:
        said = _("There is no dataset %(name)s. The datasets are: %(known)s.")
        raise NotFound(said % {"name": short(dataset), "known": ", ".join(DATASETS)})


def data_routes() -> list[URLPattern]:
    """An address for each dataset, with filters and columns of its own."""
    return [
        re_path(r"^api/data/?$", DatasetListView.as_view(), name="data"),
        *(
            re_path(rf"^api/data/{name}/?$", _view(dataset).as_view(), name=f"data-{name}")
            for name, dataset in DATASETS.items()
        ),
        re_path(r"^api/data/(?P<dataset>[^/]+)/?$", UnknownDataView.as_view(), name="data-unknown"),
    ]


def _view(dataset: Dataset) -> type[DataView]:
    # English here, whoever is the first to ask for anything: the document is translated as a whole.
    with translation.override("en"):
        title = str(dataset.title)
    view = type(f"{dataset.model.__name__}View", (DataView,), {"dataset": dataset})
    documented: type[DataView] = extend_schema_view(
        get=extend_schema(
            tags=["data"],
            operation_id=f"data_{dataset.name}",
            summary=title,
            description="The rows that are held, in the order of their key. `next` is the address "
            "of the next page, or null. CSV and Parquet, by `format` or `Accept`, have every row.",
            parameters=_parameters(dataset),
            responses={
                (200, "application/json"): _document(dataset),
                (200, formats.CSV_TYPE): OpenApiTypes.STR,
                (200, formats.PARQUET_TYPE): OpenApiTypes.BINARY,
                **doc.problems(429, *doc.READ_ERRORS),
            },
        )
    )(view)
    return documented


def _parameters(dataset: Dataset) -> Sequence[OpenApiParameter]:
    return [
        *(
            OpenApiParameter(name, OpenApiTypes.STR, description=_LOOKUPS[type(each)])
            for name, each in filters_of(dataset.name).base_filters.items()
        ),
        OpenApiParameter("fields", OpenApiTypes.STR, description="columns, separated by commas"),
        OpenApiParameter("format", OpenApiTypes.STR, enum=FORMATS, description="wins over Accept"),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
            description="rows of a page of JSON",
        ),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="where a page of JSON begins"),
    ]


def _document(dataset: Dataset) -> dict[str, Any]:
    row = {
        name: {**_SCHEMAS[kind], "nullable": dataset.model._meta.get_field(name).null}
        for name, kind in columns_of(dataset).items()
    }
    rows = {"type": "object", "properties": row, "additionalProperties": False}
    return {
        "type": "object",
        "required": ["results", "next"],
        "properties": {
            "results": {"type": "array", "items": rows},
            "next": {"type": "string", "nullable": True},
        },
    }


def _format(request: Request) -> str:
    """What is asked for; JSON where nothing, or nothing that there is."""
    if asked := request.query_params.get("format"):
        return asked if asked in FORMATS else "json"
    accepted = request.headers.get("Accept", "").split(",")
    types = (each.partition(";")[0].strip().lower() for each in accepted)
    return next((_MEDIA_TYPES[each] for each in types if each in _MEDIA_TYPES), "json")
