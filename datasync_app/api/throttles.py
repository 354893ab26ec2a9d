"""How often one account may ask for what costs much: pages of rows, and whole files."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

from scheduler_app.api.base import ApiView


class TooMany(APIException):
    status_code = 429
    default_code = "throttled"

    def __init__(self, detail: str, wait: float | None) -> None:
        super().__init__(detail)
        self.wait = wait or 0


class PageThrottle(UserRateThrottle):
    scope = "pages"

    def get_rate(self) -> str:
        return f"{settings.API_PAGES_PER_MINUTE}/min"


class FileThrottle(UserRateThrottle):
    scope = "files"

    def get_rate(self) -> str:
        return f"{settings.API_FILES_PER_MINUTE}/min"


class ThrottledView(ApiView):
    """A heavy read. What it refuses, it says when to ask again."""

    throttle_classes = [PageThrottle]

    def throttled(self, request: Request, wait: float | None) -> None:  # type: ignore[override]
        (throttle,) = self.get_throttles()
        said = _("An account may ask %(rate)s here. Ask again in %(seconds)d seconds.")
        told = {
            "rate": _("%d times a minute") % (getattr(throttle, "num_requests", 0) or 0),
            "seconds": int(wait or 0) + 1,
        }
        raise TooMany(said % told, wait)
