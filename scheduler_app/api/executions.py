"""Executions: what ran, what did not, and why."""

from __future__ import annotations

import logging

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from scheduler_app import claims, configs, execution_search, going_on, live_log
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet, read_body
from scheduler_app.api.newest import newest, number_of, paged
from scheduler_app.api.permissions import MayTriggerJobs
from scheduler_app.api.queries import Kind, read_query
from scheduler_app.api.serializers import (
    AgainBody,
    CancelBody,
    ExecutionDetailSerializer,
    ExecutionListSerializer,
    ExecutionSerializer,
    LogSerializer,
)
from scheduler_app.errors import UnknownJob, short
from scheduler_app.models import Cause, ExecutionLog, Status
from scheduler_app.registry import registry

logger = logging.getLogger(__name__)


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
        kinds: dict[str, Kind] = {
            "job_id": _known,
            "status": Status.values,
            "caused_by": Cause.values,
        }
        given = read_query(request, paged({**kinds, "q": str}))
        rows = ExecutionLog.objects.defer("traceback", "log")
        rows = rows.filter(**{name: given[name] for name in kinds if name in given})
        rows = execution_search.find(rows, given.get("q", ""))
        shown, following = newest(rows, given)
        return Response({"results": ExecutionSerializer(shown, many=True).data, "next": following})

    @extend_schema(
        operation_id="execution",
        parameters=[doc.EXECUTION_ID],
        responses=doc.answers(ExecutionDetailSerializer, 404, *doc.READ_ERRORS),
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """One execution with its result, its log, and the traceback of its failure."""
        return Response(ExecutionDetailSerializer(_find(id)).data)

    @extend_schema(
        operation_id="execution_log",
        parameters=[doc.EXECUTION_ID],
        responses=doc.answers(LogSerializer, 404, *doc.READ_ERRORS),
    )
    @action(detail=True, methods=["get"])
    def log(self, request: Request, id: str) -> Response:
        """What it has logged, as it grows while it runs."""
        row = _find(id)
        ended = row.finished_at is not None
        return Response({"status": row.status, "ended": ended, "log": live_log.so_far(row)})

    @extend_schema(
        operation_id="execution_again",
        parameters=[doc.EXECUTION_ID, doc.LOCATION],
        request=AgainBody,
        responses=doc.answers(ExecutionSerializer, *doc.WRITE_ERRORS, status=202),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayTriggerJobs])
    def again(self, request: Request, id: str) -> Response:
        """Queue a run of the same job with the same arguments."""
        read_body(request, AgainBody)
        row = _find(id)
        by = request.user.get_username()
        again, _created = configs.queue_run(
            row.job_id, Cause.API, triggered_by=by, job_kwargs=row.job_kwargs
        )
        logger.info("action=api_again execution=%s after=%s by=%s", again.pk, row.pk, by)
        address = reverse("execution-detail", kwargs={"id": again.pk})
        return Response(ExecutionSerializer(again).data, status=202, headers={"Location": address})

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
    row = ExecutionLog.objects.select_related("process").filter(pk=number_of(id)).first()
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
