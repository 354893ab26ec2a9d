"""Executions: what ran, what did not, and why."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet
from scheduler_app.api.queries import read_query, whole_number
from scheduler_app.api.serializers import (
    ExecutionDetailSerializer,
    ExecutionListSerializer,
    ExecutionSerializer,
)
from scheduler_app.errors import UnknownJob, short
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.registry import registry

DEFAULT_LIMIT = 20
MOST = 100


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
        given = read_query(
            request,
            {
                "job_id": _known,
                "status": Status.values,
                "limit": whole_number(1, MOST, DEFAULT_LIMIT),
            },
        )
        rows = ExecutionLog.objects.order_by("-id").defer("traceback", "log")
        for name in ("job_id", "status"):
            if name in given:
                rows = rows.filter(**{name: given[name]})
        found = ExecutionSerializer(rows[: given["limit"]], many=True)
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


def _known(job_id: str | None) -> str | None:
    """Registered now, or once: history outlives a job."""
    if job_id is None or job_id in registry:
        return job_id
    if "\0" in job_id or not ExecutionLog.objects.filter(job_id=job_id).exists():
        raise ValueError(UnknownJob(job_id, registry.ids()))
    return job_id
