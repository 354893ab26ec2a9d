"""Executions: what ran, what did not, and why."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet
from scheduler_app.api.serializers import (
    ExecutionDetailSerializer,
    ExecutionListSerializer,
    ExecutionSerializer,
)
from scheduler_app.errors import InvalidSchedule, UnknownJob, short
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.registry import registry

DEFAULT_LIMIT = 20
MOST = 100
FILTERS = ("job_id", "status", "limit")


@extend_schema(tags=["executions"])
class ExecutionViewSet(ApiViewSet):
    lookup_field = "id"
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="executions",
        parameters=doc.EXECUTION_FILTERS,
        responses=doc.answers(ExecutionListSerializer, *doc.READ_ERRORS),
    )
    def list(self, request: Request) -> Response:
        """The newest executions first."""
        given = request.query_params
        errors = {
            name: f"There is no filter {short(name)}. The filters are: {', '.join(FILTERS)}."
            for name in given
            if name not in FILTERS
        }
        rows = ExecutionLog.objects.order_by("-id").defer("traceback", "log")
        limit = given.get("limit", str(DEFAULT_LIMIT))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:10]) <= MOST):
            errors["limit"] = (
                f"The limit is {short(limit)}; it takes a whole number from 1 to {MOST}."
            )
        if "status" in given:
            if given["status"] not in Status.values:
                errors["status"] = (
                    f"There is no status {short(given['status'])}. "
                    f"The statuses are: {', '.join(Status.values)}."
                )
            rows = rows.filter(status=given["status"])
        if "job_id" in given:
            if not _known(given["job_id"]):
                errors["job_id"] = str(UnknownJob(given["job_id"], registry.ids()))
            rows = rows.filter(job_id=given["job_id"])
        if errors:
            raise InvalidSchedule(errors)
        found = ExecutionSerializer(rows[: int(limit)], many=True)
        return Response({"results": found.data})

    @extend_schema(
        operation_id="execution",
        parameters=[doc.EXECUTION_ID],
        responses=doc.answers(ExecutionDetailSerializer, 404, *doc.READ_ERRORS),
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """One execution with its result, its log, and the traceback of its failure."""
        number = int(id) if id.isascii() and id.isdigit() and len(id) <= 18 else None
        rows = ExecutionLog.objects.select_related("process")
        row = rows.filter(pk=number).first() if number is not None else None
        if row is None:
            raise NotFound(f"There is no execution {short(id)}.")
        return Response(ExecutionDetailSerializer(row).data)


def _known(job_id: str) -> bool:
    """Registered now, or once: history outlives a job."""
    if job_id in registry:
        return True
    return "\0" not in job_id and ExecutionLog.objects.filter(job_id=job_id).exists()
