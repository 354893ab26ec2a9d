"""The calls by endpoint and day, which the admin's charts show."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.models import CallDay
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView
from scheduler_app.api.queries import read_query, whole_number

# A month of twenty endpoints.
MOST = 600


class CallDaySerializer(serializers.ModelSerializer[CallDay]):
    """`quota_used` is the busiest minute's calls as a share of the limit that held."""

    class Meta:
        model = CallDay
        fields = [
            "day",
            "api_name",
            "token_fingerprint",
            "calls",
            "rows",
            "p50_ms",
            "p95_ms",
            "waited_ms",
            "refusals",
            "failures",
            "quota_used",
        ]
        read_only_fields = fields


@extend_schema_serializer(many=False)
class CallDayListSerializer(serializers.Serializer[Any]):
    results = CallDaySerializer(many=True, read_only=True)


class CallDayListView(ApiView):
    @extend_schema(
        tags=["tushare"],
        operation_id="tushare_days",
        parameters=[
            OpenApiParameter("api_name", OpenApiTypes.STR),
            OpenApiParameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST}
            ),
        ],
        responses=doc.answers(CallDayListSerializer, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """What was called by endpoint and day in Shanghai, the newest day first."""
        given = read_query(request, {"api_name": str, "limit": whole_number(1, MOST, MOST)})
        limit = given.pop("limit")
        days = CallDay.objects.filter(**given).order_by("-day", "api_name", "id")[:limit]
        return Response({"results": CallDaySerializer(days, many=True).data})
