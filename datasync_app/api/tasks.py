"""Sync tasks: what is under way, and the ways to steer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from datasync_app import control
from datasync_app.api.access import Conflict
from datasync_app.api.serializers import (
    ConflictSerializer,
    HistoryBody,
    NoBody,
    TaskListSerializer,
    TaskSerializer,
)
from datasync_app.errors import TaskAlreadyRunning, TaskRefused
from datasync_app.models import SyncTask, TaskStatus
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView, ApiViewSet, read_body
from scheduler_app.api.newest import PAGING, newest, number_of, paged
from scheduler_app.api.permissions import MayTriggerJobs
from scheduler_app.api.problems import MEDIA_TYPE, problem
from scheduler_app.api.queries import Kind, read_query
from scheduler_app.api.serializers import ExecutionSerializer
from scheduler_app.errors import short

TASK_ID = OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH)
TASK_FILTERS = [
    OpenApiParameter("job_type", OpenApiTypes.STR, description="only this"),
    OpenApiParameter("status", OpenApiTypes.STR, enum=TaskStatus.values, description="only this"),
    *PAGING,
]
CONFLICT = {
    (409, MEDIA_TYPE): OpenApiResponse(
        ConflictSerializer, description="a task of this job is live: it is in `task`"
    )
}


@extend_schema(tags=["sync"])
class TaskViewSet(ApiViewSet):
    lookup_field = "id"
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="tasks",
        parameters=TASK_FILTERS,
        responses=doc.answers(TaskListSerializer, *doc.READ_ERRORS),
    )
    def list(self, request: Request) -> Response:
        """The newest tasks first, with progress, rate and the time they will take."""
        kinds: dict[str, Kind] = {"job_type": str, "status": TaskStatus.values}
        given = read_query(request, paged(kinds))
        tasks = SyncTask.objects.filter(**{name: given[name] for name in kinds if name in given})
        shown, following = newest(tasks, given)
        return Response({"results": TaskSerializer(shown, many=True).data, "next": following})

    @extend_schema(
        operation_id="task",
        parameters=[TASK_ID],
        responses=doc.answers(TaskSerializer, 404, *doc.READ_ERRORS),
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """One task."""
        task = SyncTask.objects.filter(pk=number_of(id)).first()
        if task is None:
            raise _unknown(id)
        return Response(TaskSerializer(task).data)

    @extend_schema(
        operation_id="task_pause",
        parameters=[TASK_ID],
        request=NoBody,
        responses=doc.answers(TaskSerializer, 409, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayTriggerJobs])
    def pause(self, request: Request, id: str) -> Response:
        """Pause the task between two cells; what is finished stays."""
        return _steer(request, id, control.pause)

    @extend_schema(
        operation_id="task_resume",
        parameters=[TASK_ID],
        request=NoBody,
        responses=doc.answers(TaskSerializer, 409, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayTriggerJobs])
    def resume(self, request: Request, id: str) -> Response:
        """Let a paused task, or one that waits for quota, go on now."""
        return _steer(request, id, control.resume)

    @extend_schema(
        operation_id="task_cancel",
        parameters=[TASK_ID],
        request=NoBody,
        responses=doc.answers(TaskSerializer, 409, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayTriggerJobs])
    def cancel(self, request: Request, id: str) -> Response:
        """End the task between two cells; what is finished stays."""
        return _steer(request, id, control.cancel)


class _HistoryView(ApiView):
    permission_classes = [MayTriggerJobs]
    job_id: ClassVar[str]

    def post(self, request: Request) -> Response:
        try:
            execution = control.start(
                self.job_id,
                by=request.user.get_username(),
                kwargs=read_body(request, HistoryBody) or None,
            )
        except TaskAlreadyRunning as running:
            body = TaskSerializer(running.task).data
            return problem(409, str(running), task=body)  # type: ignore[return-value]
        return Response(
            ExecutionSerializer(execution).data,
            status=202,
            headers={"Location": reverse("execution-detail", kwargs={"id": execution.pk})},
        )


def _documented(operation_id: str, description: str) -> Callable[[type], type]:
    return extend_schema_view(
        post=extend_schema(
            tags=["sync"],
            operation_id=operation_id,
            description=description,
            parameters=[doc.LOCATION],
            request=HistoryBody,
            responses={
                **doc.answers(ExecutionSerializer, *doc.WRITE_ERRORS, status=202),
                **CONFLICT,
            },
        )
    )


@_documented("daily_history", "Queue a run of the daily history, newest dates first.")
class DailyHistoryView(_HistoryView):
    job_id = "sync_daily_history"


@_documented("finance_history", "Queue a run of the finance history.")
class FinanceHistoryView(_HistoryView):
    job_id = "sync_history_finance"


def _steer(request: Request, id: str, how: Callable[..., SyncTask]) -> Response:
    read_body(request, NoBody)
    try:
        task = how(number_of(id), by=request.user.get_username())
    except SyncTask.DoesNotExist:
        raise _unknown(id) from None
    except TaskRefused as refused:
        raise Conflict(str(refused)) from None
    return Response(TaskSerializer(task).data)


def _unknown(id: str) -> NotFound:
    return NotFound(_("There is no task %s.") % short(id))
