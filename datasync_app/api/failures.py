"""A failure on record, which a person wants tried anew."""

from __future__ import annotations

import logging

from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.api.access import Conflict
from datasync_app.api.memory import FailureSerializer
from datasync_app.api.serializers import NoBody
from datasync_app.engine.finance.failures import try_anew
from datasync_app.models import SyncFailureRecord
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView, read_body
from scheduler_app.api.newest import number_of
from scheduler_app.api.permissions import NEEDS, StaffWith
from scheduler_app.errors import short

logger = logging.getLogger(__name__)


class MayDecideOnFailures(StaffWith):
    permission = "datasync_app.change_syncfailurerecord"
    message = format_lazy(NEEDS, permission=permission)


class TryAgainView(ApiView):
    permission_classes = [MayDecideOnFailures]

    @extend_schema(
        tags=["sync"],
        operation_id="failure_try_again",
        parameters=[OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH)],
        request=NoBody,
        responses=doc.answers(FailureSerializer, 409, *doc.WRITE_ERRORS),
    )
    def post(self, request: Request, id: str) -> Response:
        """Let the next run try it again, as often as at first."""
        read_body(request, NoBody)
        record = SyncFailureRecord.objects.filter(pk=number_of(id)).first()
        if record is None:
            raise NotFound(_("There is no failure %s.") % short(id))
        if record.resolved_at is not None:
            raise Conflict(_("Failure %d is resolved: there is nothing to try again.") % record.pk)
        try_anew(record, now=timezone.now())
        logger.info("action=api_try_again failure=%s by=%s", id, request.user.get_username())
        return Response(FailureSerializer(record).data)
