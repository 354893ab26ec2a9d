"""What the data of a range rest on, as `manage.py report --json` writes it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.api.coverage import date_of
from datasync_app.api.throttles import FileThrottle, ThrottledView
from datasync_app.datasets import DATASETS
from datasync_app.errors import DatasyncError
from datasync_app.reports.statement import make_report
from scheduler_app.api import documented as doc
from scheduler_app.api.queries import read_query
from scheduler_app.api.serializers import JSONObjectField
from scheduler_app.errors import InvalidSchedule


class ReportSerializer(serializers.Serializer[Any]):
    format = serializers.IntegerField(read_only=True)
    start = serializers.CharField(read_only=True)
    end = serializers.CharField(read_only=True)
    made_at = serializers.DateTimeField(read_only=True)
    source = serializers.CharField(read_only=True)  # type: ignore[assignment]  # a field of ours
    good = serializers.BooleanField(
        read_only=True, help_text="whether everything due in the range is there"
    )
    digest = JSONObjectField(read_only=True)
    datasets = serializers.ListField(child=JSONObjectField(), read_only=True)


class ReportView(ThrottledView):
    throttle_classes = [FileThrottle]

    @extend_schema(
        operation_id="report",
        tags=["sync"],
        parameters=[
            OpenApiParameter("start", OpenApiTypes.STR, required=True, description="YYYYMMDD"),
            OpenApiParameter("end", OpenApiTypes.STR, required=True, description="YYYYMMDD"),
            OpenApiParameter(
                "dataset", OpenApiTypes.STR, enum=sorted(DATASETS), description="only this"
            ),
        ],
        responses=doc.answers(ReportSerializer, 429, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """What is complete, every exception with its reason, what was restated, and a digest."""
        days = {name: date_of(name) for name in ("start", "end")}
        given = read_query(request, {**days, "dataset": sorted(DATASETS)})
        if missing := [name for name in days if name not in given]:
            said = _("Give %(name)s, as YYYYMMDD.")
            raise InvalidSchedule({name: said % {"name": name} for name in missing})
        names = [given["dataset"]] if "dataset" in given else list(DATASETS)
        try:
            report = make_report(
                [DATASETS[name] for name in names], given["start"], given["end"], now=timezone.now()
            )
        except DatasyncError as error:
            raise InvalidSchedule({"start": str(error)}) from None
        return Response(report.as_json())
