"""What was learned of each endpoint and account, and the limits that staff set."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.api.serializers import NoBody
from datasync_app.control import forget_learned
from datasync_app.models import EndpointAccess, TushareAccount
from datasync_app.models.quota import LIMIT_RULE
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView, read_body
from scheduler_app.api.newest import number_of
from scheduler_app.api.permissions import NEEDS, StaffWith
from scheduler_app.api.queries import read_query
from scheduler_app.api.serializers import Body, NumberAsGiven
from scheduler_app.errors import InvalidSchedule, short

logger = logging.getLogger(__name__)

ENDPOINT_ID = OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class EndpointSerializer(serializers.ModelSerializer[EndpointAccess]):
    """Limits are calls a minute."""

    class Meta:
        model = EndpointAccess
        fields = [
            "id",
            "api_name",
            "token_fingerprint",
            "set_limit",
            "learned_limit",
            "stated_limit",
            "learned_at",
            "raised_at",
            "held_until",
            "spent_until",
            "spent_text",
            "denied_at",
            "denied_kind",
            "denied_text",
            "answered_at",
        ]
        read_only_fields = fields


@extend_schema_serializer(many=False)
class EndpointListSerializer(serializers.Serializer[Any]):
    results = EndpointSerializer(many=True, read_only=True)


class AccountSerializer(serializers.ModelSerializer[TushareAccount]):
    class Meta:
        model = TushareAccount
        fields = ["token_fingerprint", "points", "expires", "answered_at", "asked_at"]
        read_only_fields = fields


@extend_schema_serializer(many=False)
class AccountListSerializer(serializers.Serializer[Any]):
    results = AccountSerializer(many=True, read_only=True)


class LimitBody(Body):
    set_limit = NumberAsGiven(help_text="calls a minute of the whole account; null: none is set")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        super().to_internal_value(data)
        if "set_limit" not in data:
            raise InvalidSchedule({"set_limit": str(LIMIT_RULE)})
        return {"set_limit": data["set_limit"]}  # null is a value here


class MayChangeLimits(StaffWith):
    permission = "datasync_app.change_endpointaccess"
    message = format_lazy(NEEDS, permission=permission)


class EndpointListView(ApiView):
    @extend_schema(
        tags=["tushare"],
        operation_id="tushare_endpoints",
        responses=doc.answers(EndpointListSerializer, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """What is known of each endpoint: its limits, whether it is denied, whether it is spent."""
        read_query(request, {})
        found = EndpointSerializer(EndpointAccess.objects.all(), many=True)
        return Response({"results": found.data})


class EndpointView(ApiView):
    permission_classes = [MayChangeLimits]

    @extend_schema(
        tags=["tushare"],
        operation_id="tushare_endpoint_limit",
        parameters=[ENDPOINT_ID],
        request=LimitBody,
        responses=doc.answers(EndpointSerializer, *doc.WRITE_ERRORS),
    )
    def patch(self, request: Request, id: str) -> Response:
        """Set the limit of an endpoint, which wins over what was learned; or set none."""
        access = _find(id)
        limit = read_body(request, LimitBody)["set_limit"]
        try:
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
                raise ValidationError(LIMIT_RULE)
            access.set_limit = limit
            access.clean_fields(exclude=_ALL_BUT_THE_LIMIT)
        except ValidationError:
            raise InvalidSchedule({"set_limit": str(LIMIT_RULE)}) from None
        # Whatever a sync learns meanwhile is not overwritten.
        access.save(update_fields=["set_limit"])
        _note(request, "set_limit", access)
        return Response(EndpointSerializer(access).data)


class ForgetView(ApiView):
    permission_classes = [MayChangeLimits]

    @extend_schema(
        tags=["tushare"],
        operation_id="tushare_endpoint_forget",
        parameters=[ENDPOINT_ID],
        request=NoBody,
        responses=doc.answers(EndpointSerializer, *doc.WRITE_ERRORS),
    )
    def post(self, request: Request, id: str) -> Response:
        """Forget what was learned of an endpoint, so that the next run finds it out anew."""
        read_body(request, NoBody)
        access = _find(id)
        forget_learned(EndpointAccess.objects.filter(pk=access.pk))
        access.refresh_from_db()
        _note(request, "forget", access)
        return Response(EndpointSerializer(access).data)


class AccountListView(ApiView):
    @extend_schema(
        tags=["tushare"],
        operation_id="tushare_accounts",
        responses=doc.answers(AccountListSerializer, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """The points of each account and when they expire, named by the token's fingerprint."""
        read_query(request, {})
        found = AccountSerializer(TushareAccount.objects.order_by("pk"), many=True)
        return Response({"results": found.data})


_ALL_BUT_THE_LIMIT = {field.name for field in EndpointAccess._meta.fields} - {"set_limit"}


def _find(id: str) -> EndpointAccess:
    access = EndpointAccess.objects.filter(pk=number_of(id)).first()
    if access is None:
        raise NotFound(_("There is no endpoint %s.") % short(id))
    return access


def _note(request: Request, what: str, access: EndpointAccess) -> None:
    by = request.user.get_username()
    logger.info("action=api_%s endpoint=%s limit=%s by=%s", what, access, access.set_limit, by)
