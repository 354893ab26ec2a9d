"""What the engine remembers, row by row: cells, restatements, quarantine, failures, calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.urls import URLPattern, re_path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.api.coverage import date_of
from datasync_app.api.serializers import CellSerializer
from datasync_app.datasets import DATASETS
from datasync_app.models import (
    CallOutcome,
    CellState,
    RestatementKind,
    SyncFailureRecord,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
    TushareCall,
)
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView
from scheduler_app.api.newest import PAGING, PageSerializer, newest, paged
from scheduler_app.api.queries import Kind, read_query

YES_OR_NO = ("true", "false")


class ListedCellSerializer(CellSerializer):
    class Meta(CellSerializer.Meta):
        fields = ["id", *CellSerializer.Meta.fields]
        read_only_fields = fields


class RestatementSerializer(serializers.ModelSerializer[SyncRestatement]):
    kind = serializers.ChoiceField(choices=RestatementKind.choices, read_only=True)

    class Meta:
        model = SyncRestatement
        fields = ["id", "dataset", "cell", "kind", "key", "column", "old", "new", "at"]
        read_only_fields = fields


class QuarantineSerializer(serializers.ModelSerializer[SyncQuarantine]):
    class Meta:
        model = SyncQuarantine
        fields = [
            "id",
            "dataset",
            "cell",
            "key",
            "row",
            "rules",
            "reason",
            "at",
            "last_seen_at",
            "resolved_at",
            "resolved_by",
        ]
        read_only_fields = fields


class FailureSerializer(serializers.ModelSerializer[SyncFailureRecord]):
    class Meta:
        model = SyncFailureRecord
        fields = [
            "id",
            "job_type",
            "code",
            "error_message",
            "retry_count",
            "max_retries",
            "last_attempt_at",
            "resolved_at",
        ]
        read_only_fields = fields


class CallSerializer(serializers.ModelSerializer[TushareCall]):
    outcome = serializers.ChoiceField(choices=CallOutcome.choices, read_only=True)

    class Meta:
        model = TushareCall
        fields = [
            "id",
            "at",
            "api_name",
            "params",
            "outcome",
            "rows",
            "duration_ms",
            "waited_ms",
            "quota",
            "code",
            "message",
            "token_fingerprint",
        ]
        read_only_fields = fields


class MemoryView(ApiView):
    """The rows of one table, newest first; `open` are those that nothing has resolved."""

    rows: ClassVar[QuerySet[Any]]
    row: ClassVar[type[serializers.ModelSerializer[Any]]]
    filters: ClassVar[Mapping[str, Kind]]

    def get(self, request: Request) -> Response:
        given = read_query(request, paged(self.filters))
        wanted = {name: given[name] for name in self.filters if name in given}
        if is_open := wanted.pop("open", None):
            wanted["resolved_at__isnull"] = is_open == "true"
        for name, bound in (("start", "cell_date__gte"), ("end", "cell_date__lte")):
            if name in wanted:
                wanted[bound] = wanted.pop(name)
        shown, following = newest(self.rows.filter(**wanted), given)
        return Response({"results": self.row(shown, many=True).data, "next": following})


def memory_routes() -> list[URLPattern]:
    dataset = {"dataset": tuple(sorted(DATASETS))}
    resolved = {"open": YES_OR_NO}
    return [
        _route(
            "sync/cells",
            "The cells of the ledger, those that were planned last first.",
            SyncLedger,
            ListedCellSerializer,
            {
                **dataset,
                "state": CellState.values,
                "start": date_of("start"),
                "end": date_of("end"),
            },
        ),
        _route(
            "sync/restatements",
            "What the source changed of data that were held.",
            SyncRestatement,
            RestatementSerializer,
            {**dataset, "cell": str, "kind": RestatementKind.values},
        ),
        _route(
            "sync/quarantine",
            "Rows that came and are not among the data, and why.",
            SyncQuarantine,
            QuarantineSerializer,
            {**dataset, "cell": str, **resolved},
        ),
        _route(
            "sync/failures",
            "Companies and periods that could not be synced.",
            SyncFailureRecord,
            FailureSerializer,
            {"job_type": str, "code": str, **resolved},
        ),
        _route(
            "tushare/calls",
            "The journal of the calls of the last 30 days.",
            TushareCall,
            CallSerializer,
            {"api_name": str, "outcome": CallOutcome.values},
        ),
    ]


def _route(
    path: str,
    summary: str,
    model: type[Model],
    row: type[serializers.ModelSerializer[Any]],
    filters: Mapping[str, Kind],
) -> URLPattern:
    name = path.replace("/", "-")
    listed: type[PageSerializer] = extend_schema_serializer(many=False)(
        type(
            f"{row.__name__.removesuffix('Serializer')}ListSerializer",
            (PageSerializer,),
            {"results": row(many=True, read_only=True)},
        )
    )
    members = {"rows": model._default_manager.all(), "row": row, "filters": filters}
    view: type[MemoryView] = extend_schema_view(
        get=extend_schema(
            tags=[path.partition("/")[0]],
            operation_id=name.replace("-", "_"),
            description=summary,
            parameters=[*(_parameter(key, kind) for key, kind in filters.items()), *PAGING],
            responses=doc.answers(listed, *doc.READ_ERRORS),
        )
    )(type(f"{model.__name__}View", (MemoryView,), members))
    return re_path(rf"^api/{path}/?$", view.as_view(), name=name)


def _parameter(name: str, kind: Kind) -> OpenApiParameter:
    values = None if callable(kind) else list(kind)
    said = "YYYYMMDD" if name in ("start", "end") else "only these"
    return OpenApiParameter(name, OpenApiTypes.STR, enum=values, description=said)
