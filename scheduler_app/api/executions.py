"""Executions: what ran, what did not, and why."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app import claims, going_on
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet, read_body
from scheduler_app.api.permissions import MayTriggerJobs
from scheduler_app.api.queries import read_query, whole_number
from scheduler_app.api.serializers import (
    CancelBody,
    ExecutionDetailSerializer,
    ExecutionListSerializer,
    ExecutionSerializer,
)
from scheduler_app.errors import UnknownJob, short
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.registry import registry

DEFAULT_LIMIT = 20
MOST = 100


class NotUnderWay(APIException):
    status_code = 409
    default_code = "conflict"


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
        return Response(ExecutionDetailSerializer(_find(id)).data)

    @extend_schema(
        operation_id="execution_cancel",
        parameters=[doc.EXECUTION_ID],
        request=CancelBody,
        responses=doc.answers(ExecutionSerializer, 409, *doc.WRITE_ERRORS, status=202),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayTriggerJobs])
    def cancel(self, request: Request, id: str) -> Response:
        """End an execution: one that waits at once, one that runs at its next checkpoint."""
        read_body(request, CancelBody)
        row = _find(id)
        reason = f"cancelled by {request.user.get_username()}"
        if row.status == Status.RUNNING:
            going_on.ask_to_stop(row.pk, reason)
        elif row.status != Status.QUEUED or not claims.withdraw(row.pk, reason):
            row.refresh_from_db()
            raise NotUnderWay(
                _(
                    "Execution %(execution)d is %(status)s; only one that waits or runs can be "
                    "cancelled."
                )
                % {"execution": row.pk, "status": row.status}
            )
        row.refresh_from_db()
        return Response(ExecutionSerializer(row).data, status=202)


def _find(id: str) -> ExecutionLog:
    number = int(id) if id.isascii() and id.isdigit() and len(id) <= 18 else 0
    row = ExecutionLog.objects.select_related("process").filter(pk=number).first()
    if row is None:
        raise NotFound(_("There is no execution %s.") % short(id))
    return row


def _known(job_id: str | None) -> str | None:
    """Registered now, or once: history outlives a job."""
    if job_id is None or job_id in registry:
        return job_id
    if "\0" in job_id or not ExecutionLog.objects.filter(job_id=job_id).exists():
        raise ValueError(UnknownJob(job_id, registry.ids()))
    return job_id
