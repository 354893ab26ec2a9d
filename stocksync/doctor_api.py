"""`doctor` for scripts: the findings of the page, by the same code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView
from scheduler_app.api.queries import read_query
from stocksync.checkup import checkup


class FindingSerializer(serializers.Serializer[Any]):
    what = serializers.CharField(read_only=True)
    ok = serializers.BooleanField(read_only=True)
    says = serializers.CharField(read_only=True)


@extend_schema_serializer(many=False)
class DoctorSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(read_only=True, help_text="whether nothing is wrong")
    findings = FindingSerializer(many=True, read_only=True)


class DoctorView(ApiView):
    @extend_schema(
        operation_id="doctor",
        tags=["state"],
        responses=doc.answers(DoctorSerializer, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """Is everything in order? The source is not asked: no call is spent on it."""
        read_query(request, {})
        findings = [asdict(finding) for finding in checkup()]
        return Response({"ok": all(each["ok"] for each in findings), "findings": findings})
