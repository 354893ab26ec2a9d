"""The versions of a schedule, and the way back to one; and its end."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app import versions
from scheduler_app.api import documented as doc
from scheduler_app.api import one_job
from scheduler_app.api.base import ApiViewSet, read_body
from scheduler_app.api.etags import honours_if_match
from scheduler_app.api.permissions import MayChangeSchedules
from scheduler_app.api.serializers import Body, JobSerializer, NumberAsGiven
from scheduler_app.errors import InvalidSchedule, short
from scheduler_app.versions import NoSuchVersion

KINDS = {"+": "created", "~": "changed", "-": "deleted"}


class ChangeSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True, help_text="what people call the field")
    before = serializers.CharField(read_only=True)
    after = serializers.CharField(read_only=True)


class VersionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    at = serializers.DateTimeField(read_only=True)
    who = serializers.CharField(read_only=True, help_text="empty where a command or SQL wrote it")
    why = serializers.CharField(read_only=True)
    kind = serializers.ChoiceField(choices=list(KINDS.values()), read_only=True)
    is_current = serializers.BooleanField(
        read_only=True, help_text="whether the schedule is now as it was then"
    )
    changes = ChangeSerializer(many=True, read_only=True)


@extend_schema_serializer(many=False)
class VersionListSerializer(serializers.Serializer[Any]):
    results = VersionSerializer(many=True, read_only=True)


class RevertBody(Body):
    version = NumberAsGiven(help_text="the id of the version")


class Versions(ApiViewSet):
    """The part of the jobs' API that knows what their schedules were."""

    @extend_schema(
        operation_id="job_versions",
        parameters=[doc.JOB_ID],
        responses=doc.answers(VersionListSerializer, 404, *doc.READ_ERRORS),
    )
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, job_id: str) -> Response:
        """Who changed what of the schedule, and when: the newest versions first, at most 100."""
        config = one_job.find(job_id).config
        kept = versions.versions(config) if config.pk else []
        told = [{**asdict(version), "kind": KINDS[version.kind]} for version in kept]
        return Response(VersionListSerializer({"results": told}).data)

    @extend_schema(
        operation_id="job_revert",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=RevertBody,
        responses=doc.answers(JobSerializer, 409, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayChangeSchedules])
    @honours_if_match
    def revert(self, request: Request, job_id: str) -> Response:
        """Make the schedule what it was in a version, a pause excepted."""
        one_job.find(job_id)
        version = read_body(request, RevertBody).get("version")
        if isinstance(version, bool) or not isinstance(version, int) or abs(version) >= 2**31:
            said = _("The version is %s; it takes the id of a version.") % short(version)
            raise InvalidSchedule({"version": said})
        try:
            versions.revert(job_id, version)
        except NoSuchVersion as error:
            raise InvalidSchedule({"version": str(error)}) from None
        return one_job.changed(request, job_id)
