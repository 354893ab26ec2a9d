"""A page that says the database is away, instead of a bare error, while it is away."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5


class DatabaseOutageMiddleware:
    """Answers 503 with a sentence, and lets the browser try again by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        logger.error("action=answer path=%s status=503: the database is away", request.path)
        sentence = _("The database does not answer. This page tries again every few seconds.")
        page = (
            '<!doctype html><meta charset="utf-8">'
            f'<meta http-equiv="refresh" content="{RETRY_SECONDS}">'
            f"<title>StockSync</title><p>{sentence}</p>"
        )
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
