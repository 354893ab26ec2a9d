"""Jobs and their schedules: list, schedule, start, stop, trigger."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from scheduler_app import configs, cron, pauses
from scheduler_app.api import documented as doc
from scheduler_app.api import one_job
from scheduler_app.api.base import read_body
from scheduler_app.api.etags import honours_if_match
from scheduler_app.api.permissions import (
    MayChangeSchedules,
    MayDeleteSchedules,
    MayPauseSchedules,
    MayTriggerJobs,
)
from scheduler_app.api.serializers import (
    EnableBody,
    ExecutionSerializer,
    JobListSerializer,
    JobSerializer,
    PauseBody,
    ResumeBody,
    ScheduleBody,
    StartBody,
    StopBody,
    TriggerBody,
)
from scheduler_app.api.versions import Versions
from scheduler_app.errors import InvalidCron, InvalidSchedule, short
from scheduler_app.models import Cause
from scheduler_app.overview import overview
from scheduler_app.policy_rules import POLICIES
from scheduler_app.registry import registry

logger = logging.getLogger(__name__)


class KeyUsedOtherwise(APIException):
    status_code = 409
    default_code = "conflict"


@extend_schema(tags=["jobs"])
class JobViewSet(Versions):
    lookup_field = "job_id"
    lookup_value_regex = "[^/]+"

    def get_permissions(self) -> list[BasePermission]:
        if self.action == "destroy":
            return [MayDeleteSchedules()]
        return super().get_permissions()  # type: ignore[return-value]  # as its own stubs say it

    @extend_schema(operation_id="jobs", responses=doc.answers(JobListSerializer, *doc.READ_ERRORS))
    def list(self, request: Request) -> Response:
        """Every job that is registered or scheduled, by job_id."""
        return Response({"results": [JobSerializer(row).data for row in overview()]})

    @extend_schema(
        operation_id="job",
        parameters=[doc.JOB_ID, doc.ETAG],
        responses=doc.answers(JobSerializer, 404, *doc.READ_ERRORS),
    )
    def retrieve(self, request: Request, job_id: str) -> Response:
        """One job, its schedule, its next six runs and its last execution."""
        return one_job.answer(job_id)

    @extend_schema(
        operation_id="job_schedule",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=ScheduleBody,
        responses=doc.answers(JobSerializer, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayChangeSchedules])
    @honours_if_match
    def schedule(self, request: Request, job_id: str) -> Response:
        """Fire the job by a cron expression from now on, and enable it."""
        registry.get(job_id)
        body = read_body(request, ScheduleBody)
        configs.schedule_cron(
            job_id,
            _cron_expression(body),
            timezone=body.get("timezone"),
            job_kwargs=body.get("job_kwargs"),
            job_name=body.get("job_name"),
            policies={name: body[name] for name in POLICIES if name in body},
        )
        return one_job.changed(request, job_id)

    @extend_schema(
        operation_id="job_start",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=StartBody,
        responses=doc.answers(JobSerializer, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayChangeSchedules])
    @honours_if_match
    def start(self, request: Request, job_id: str) -> Response:
        """Fire the job at an interval from now on, and enable it."""
        registry.get(job_id)
        body = read_body(request, StartBody)
        configs.start_interval(
            job_id,
            _interval_seconds(body),
            job_kwargs=body.get("job_kwargs"),
            job_name=body.get("job_name"),
            policies={name: body[name] for name in POLICIES if name in body},
        )
        return one_job.changed(request, job_id)

    @extend_schema(
        operation_id="job_stop",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=StopBody,
        responses=doc.answers(JobSerializer, 409, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayChangeSchedules])
    @honours_if_match
    def stop(self, request: Request, job_id: str) -> Response:
        """Disable the schedule. A run under way is left to finish."""
        read_body(request, StopBody)
        configs.stop(job_id)
        return one_job.changed(request, job_id)

    @extend_schema(
        operation_id="job_enable",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=EnableBody,
        responses=doc.answers(JobSerializer, 409, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayChangeSchedules])
    @honours_if_match
    def enable(self, request: Request, job_id: str) -> Response:
        """Switch the schedule on as it is stored."""
        one_job.find(job_id)
        read_body(request, EnableBody)
        configs.enable(job_id)
        return one_job.changed(request, job_id)

    @extend_schema(
        operation_id="job_delete",
        parameters=[doc.JOB_ID, doc.IF_MATCH],
        responses={204: None, **doc.problems(404, 409, 412, *doc.READ_ERRORS)},
    )
    @honours_if_match
    def destroy(self, request: Request, job_id: str) -> Response:
        """Delete the schedule. Its executions stay, and its job can be scheduled anew."""
        one_job.find(job_id)
        configs.delete(job_id)
        one_job.note(request, job_id)
        return Response(status=204)

    @extend_schema(
        operation_id="job_pause",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=PauseBody,
        responses=doc.answers(JobSerializer, 409, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayPauseSchedules])
    @honours_if_match
    def pause(self, request: Request, job_id: str) -> Response:
        """Start nothing of this schedule until it is resumed, or until a moment to come.

        A run under way goes on; each slot in the pause leaves a row; `trigger` still starts a run.
        """
        one_job.find(job_id)
        body = read_body(request, PauseBody)
        pauses.pause(
            job_id,
            by=request.user.get_username(),
            reason=_reason(body),
            until=_until(body),
            now=timezone.now(),
        )
        return one_job.changed(request, job_id)

    @extend_schema(
        operation_id="job_resume",
        parameters=[doc.JOB_ID, doc.IF_MATCH, doc.ETAG],
        request=ResumeBody,
        responses=doc.answers(JobSerializer, 409, 412, *doc.WRITE_ERRORS),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayPauseSchedules])
    @honours_if_match
    def resume(self, request: Request, job_id: str) -> Response:
        """End a pause: what waited starts, the next slot runs. Without a pause, nothing."""
        one_job.find(job_id)
        read_body(request, ResumeBody)
        pauses.resume(job_id, by=request.user.get_username(), now=timezone.now())
        return one_job.changed(request, job_id)

    @extend_schema(
        operation_id="job_trigger",
        parameters=[doc.JOB_ID, doc.IDEMPOTENCY_KEY, doc.LOCATION],
        request=TriggerBody,
        responses=doc.answers(ExecutionSerializer, 409, *doc.WRITE_ERRORS, status=202),
    )
    @action(detail=True, methods=["post"], permission_classes=[MayTriggerJobs])
    def trigger(self, request: Request, job_id: str) -> Response:
        """Queue one run now, scheduled or not. The scheduler process starts it."""
        registry.get(job_id)
        body = read_body(request, TriggerBody)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not key.strip():
            raise InvalidSchedule({"Idempotency-Key": _("The Idempotency-Key is empty.")})
        execution, created = configs.queue_run(
            job_id,
            Cause.API,
            triggered_by=request.user.get_username(),
            job_kwargs=body.get("job_kwargs"),
            idempotency_key=key,
        )
        if not created and body.get("job_kwargs") not in (None, execution.job_kwargs):
            raise KeyUsedOtherwise(
                _(
                    "The Idempotency-Key %(key)s was used for execution %(execution)d with other "
                    "arguments: use a new key for a new run."
                )
                % {"key": short(key), "execution": execution.pk}
            )
        logger.info(
            "action=api_trigger job_id=%s execution=%s created=%s by=%s",
            job_id,
            execution.pk,
            created,
            request.user.get_username(),
        )
        return Response(
            ExecutionSerializer(execution).data,
            status=202,
            headers={"Location": reverse("execution-detail", kwargs={"id": execution.pk})},
        )


def _reason(body: dict[str, Any]) -> str:
    reason = body.get("reason", "")
    if not isinstance(reason, str):
        said = _("The reason is %s; it takes text.")
        raise InvalidSchedule({"reason": said % short(reason)})
    return reason


def _until(body: dict[str, Any]) -> datetime | None:
    given = body.get("until")
    if given is None:
        return None
    try:
        until = datetime.fromisoformat(given)
        if until.tzinfo is not None:
            return until.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidSchedule(
        {
            "until": _(
                "The until is %s; it takes a moment with its offset, such as "
                "2026-03-02T18:00:00+08:00."
            )
            % short(given)
        }
    )


def _cron_expression(body: dict[str, Any]) -> str:
    """The expression, or the one that means every day at `hour` and `minute`."""
    expression, hour, minute = (body.get(name) for name in ("cron_expression", "hour", "minute"))
    if hour is None and minute is None:
        if expression is None:
            raise InvalidSchedule(
                {
                    "cron_expression": _(
                        "Give cron_expression, or hour and minute: neither is there."
                    )
                }
            )
        return expression  # type: ignore[no-any-return]  # configs checks that it is text
    if expression is not None:
        raise InvalidSchedule(
            {"cron_expression": _("Give cron_expression, or hour and minute, but not both.")}
        )
    if hour is None:
        raise InvalidSchedule({"hour": _("The minute is given without its hour.")})
    errors = {}
    for field, time in (("hour", (hour, 0)), ("minute", (0, 0 if minute is None else minute))):
        try:
            cron.from_time(*time)
        except InvalidCron as error:
            errors[field] = str(error)
    if errors:
        raise InvalidSchedule(errors)
    return cron.from_time(hour, 0 if minute is None else minute)


def _interval_seconds(body: dict[str, Any]) -> int:
    seconds, minutes = body.get("interval_seconds"), body.get("interval_minutes")
    if (seconds is None) == (minutes is None):
        raise InvalidSchedule(
            {"interval_seconds": _("Give either interval_seconds or interval_minutes.")}
        )
    if minutes is None:
        return seconds  # type: ignore[return-value]  # configs checks that it is a number
    if isinstance(minutes, bool) or not isinstance(minutes, int):
        raise InvalidSchedule(
            {
                "interval_minutes": _(
                    "The interval_minutes is %s; it takes a whole number of minutes, or give "
                    "interval_seconds."
                )
                % short(minutes)
            }
        )
    try:
        return cron.check_interval(minutes * 60)
    except InvalidCron as error:
        raise InvalidSchedule({"interval_minutes": str(error)}) from None
