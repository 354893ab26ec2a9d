"""Every error of the API as `application/problem+json` (RFC 9457), whatever raised it.

`problem_handler` is named in the settings as DRF's exception handler. An error that a person can
put right says how; a fault of ours is logged with its traceback and told without it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException
from rest_framework.settings import api_settings

from scheduler_app.errors import InvalidSchedule, NotScheduled, SchedulerError, UnknownJob

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
# The titles, as HTTP names its statuses.
TITLES = (
    gettext_noop("Bad Request"),
    gettext_noop("Unauthorized"),
    gettext_noop("Forbidden"),
    gettext_noop("Not Found"),
    gettext_noop("Method Not Allowed"),
    gettext_noop("Not Acceptable"),
    gettext_noop("Conflict"),
    gettext_noop("Precondition Failed"),
    gettext_noop("Request Entity Too Large"),
    gettext_noop("Unsupported Media Type"),
    gettext_noop("Precondition Required"),
    gettext_noop("Too Many Requests"),
    gettext_noop("Internal Server Error"),
    gettext_noop("Service Unavailable"),
)

Errors = Mapping[str, list[str]]


def problem(
    status: int,
    detail: str,
    errors: Errors | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JsonResponse:
    """The answer, with further `members` (RFC 9457, 3.2). It is ASCII, so that an echoed lone
    surrogate cannot break it."""
    body = {
        "type": "about:blank",
        "title": _(HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "errors": dict(errors or {}),
        **members,
    }
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def problem_handler(exception: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """The problem that tells of this exception; DRF calls it for whatever a view raises."""
    if isinstance(exception, APIException):
        return _api_exception(exception)
    if isinstance(exception, SchedulerError):
        return _scheduler_error(exception)
    return _django_exception(exception, context) or _fault(exception, context)


def _django_exception(exception: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    if isinstance(exception, Http404):
        return problem(404, _("There is nothing at this address."))
    if isinstance(exception, PermissionDenied):
        return problem(403, str(exception) or _("This account may not do that."))
    if isinstance(exception, OperationalError | InterfaceError):
        logger.error("action=api_database_down path=%s: %s", _path(context), _line(exception))
        return problem(
            503,
            _("The database cannot be reached. Try again in a few seconds."),
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    if isinstance(exception, DataError):
        logger.warning("action=api_data_refused path=%s: %s", _path(context), _line(exception))
        return problem(400, _("The database cannot store a value of this request."))
    if isinstance(
        exception,
        SuspiciousOperation
        | BadRequest
        | MultiPartParserError
        | UnreadablePostError
        | RawPostDataException,
    ):
        return problem(400, _("The request cannot be read: send a JSON object."))
    return None


def _fault(exception: Exception, context: Mapping[str, Any]) -> HttpResponse:
    logger.error("action=api_fault path=%s", _path(context), exc_info=exception)
    return problem(500, _("StockSync failed at this request. Its log says more."))


@csrf_exempt
def unknown_path(request: HttpRequest) -> HttpResponse:
    """What `/api/` answers where nothing is."""
    return problem(
        404, _("There is nothing at this address. The addresses are listed at /api/schema/.")
    )


def _scheduler_error(error: SchedulerError) -> HttpResponse:
    if isinstance(error, UnknownJob):
        return problem(404, str(error), {"job_id": [str(error)]})
    if isinstance(error, NotScheduled):
        return problem(409, str(error), {"job_id": [str(error)]})
    if isinstance(error, InvalidSchedule):
        return problem(
            400, str(error), {field: [sentence] for field, sentence in error.errors.items()}
        )
    return problem(400, str(error))


def _api_exception(exception: APIException) -> HttpResponse:
    headers = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(exception, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    errors: dict[str, list[str]] = {}
    _collect("", exception.detail, errors)
    general = [*errors.pop("", []), *errors.pop(api_settings.NON_FIELD_ERRORS_KEY, [])]
    sentences = general or [sentence for some in errors.values() for sentence in some]
    return problem(exception.status_code, " ".join(sentences), errors, headers)


def _collect(field: str, detail: Any, errors: dict[str, list[str]]) -> None:
    """Flatten DRF's nested details: field path -> sentences."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            _collect(f"{field}.{name}" if field else str(name), inner, errors)
    elif isinstance(detail, list):
        for inner in detail:
            _collect(field, inner, errors)
    else:
        errors.setdefault(field, []).append(str(detail))


def _path(context: Mapping[str, Any]) -> str:
    request = context.get("request")
    return repr(request.path) if request is not None else "unknown"


def _line(exception: Exception) -> str:
    return " ".join(str(exception).split())
