"""What every address under `/api/` has in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from scheduler_app.api.parsers import StrictJSONParser
from scheduler_app.api.permissions import StaffMayRead
from scheduler_app.api.serializers import Body


class JSONWhateverIsAsked(BaseContentNegotiation):
    """There is only JSON: an Accept header that wants something else gets it too."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class ApiView(APIView):
    permission_classes = [StaffMayRead]
    parser_classes = [StrictJSONParser]
    content_negotiation_class = JSONWhateverIsAsked
    metadata_class = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            # Django would take the body for empty, and a run would start without its arguments.
            raise ParseError(_("Send the body with a Content-Length: chunks are not read."))


class ApiViewSet(ViewSetMixin, ApiView):
    """Actions that a router gives their addresses."""


def read_body(request: Request, body: type[Body]) -> dict[str, Any]:
    """The fields that were given, or a ValidationError that names the valid ones."""
    return body().to_internal_value(request.data)
