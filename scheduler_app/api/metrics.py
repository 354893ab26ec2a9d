"""`/metrics` for Prometheus, which sends a token of a staff account as everybody else does."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request

from scheduler_app import metrics
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView


class MetricsView(ApiView):
    @extend_schema(
        operation_id="metrics",
        tags=["state"],
        responses={
            (200, "text/plain"): OpenApiTypes.STR,
            **doc.problems(*doc.READ_ERRORS),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """The state of scheduler and data in Prometheus' text format."""
        return HttpResponse(metrics.as_text(), content_type=CONTENT_TYPE_LATEST)
