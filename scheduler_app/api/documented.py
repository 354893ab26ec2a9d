"""What the OpenAPI schema says of each route: its answers, its errors, its parameters."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from scheduler_app.api.newest import PAGING
from scheduler_app.api.problems import MEDIA_TYPE
from scheduler_app.api.serializers import ProblemSerializer
from scheduler_app.models import Cause, Status, Trigger
from scheduler_app.policy_fields import EVERY_DAY

_ERRORS = {
    400: "the request cannot be used; `errors` says why, by field",
    401: "no login, or a token that is not valid",
    403: "the account may not do this",
    404: "there is no such job or execution; the known jobs are listed",
    409: "the state of the job does not allow it",
    412: "the schedule is not as If-Match says",
    413: "the body is too large",
    415: "the body is not application/json",
    429: "too many requests; `Retry-After` says when to ask again",
    503: "the database cannot be reached",
}
READ_ERRORS = (400, 401, 403, 503)
WRITE_ERRORS = (400, 401, 403, 404, 413, 415, 503)

JOB_ID = OpenApiParameter("job_id", OpenApiTypes.STR, OpenApiParameter.PATH)
EXECUTION_ID = OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key for the same job gives the same execution: repeat without fear.",
)
ETAG = OpenApiParameter(
    "ETag",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="of the schedule, where there is one, for If-Match",
    response=[200],
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The edit is made only while the schedule has this ETag; else 412.",
)
EXECUTION_FILTERS = [
    OpenApiParameter("job_id", OpenApiTypes.STR, description="only this job"),
    OpenApiParameter("status", OpenApiTypes.STR, enum=Status.values, description="only this"),
    OpenApiParameter("caused_by", OpenApiTypes.STR, enum=Cause.values, description="only this"),
    OpenApiParameter(
        "q",
        OpenApiTypes.STR,
        description="a number, a job, who asked for it, a day such as 2026-03-02, or words of an error "
        "of the newest 5,000 failures",
    ),
    *PAGING,
]
PREVIEW_FIELDS = [
    OpenApiParameter("trigger", OpenApiTypes.STR, enum=Trigger.values, default=Trigger.CRON),
    OpenApiParameter("cron_expression", OpenApiTypes.STR, description="for the trigger cron"),
    # A text, as it is typed in: what is no number is told in the answer, as a wrong cron is.
    OpenApiParameter("interval_seconds", OpenApiTypes.STR, description="for the trigger interval"),
    OpenApiParameter("timezone", OpenApiTypes.STR, default="Asia/Shanghai"),
    OpenApiParameter("run_calendar", OpenApiTypes.STR, default=EVERY_DAY),
]


def answers(good: Any, *errors: int, status: int = 200) -> dict[Any, Any]:
    """The `responses` of one operation: the good one, and a problem for each error status."""
    return {status: good, **problems(*errors)}


def problems(*statuses: int) -> dict[Any, Any]:
    """The errors among the `responses` of one operation."""
    return {
        (status, MEDIA_TYPE): OpenApiResponse(ProblemSerializer, description=_ERRORS[status])
        for status in statuses
    }


LOCATION = OpenApiParameter(
    "Location",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="the address of the execution",
    response=[202],
)


def without_slash(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """The addresses in their short form: the slash at their end is optional."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]
