"""API tokens: who has one and until when. A token itself is shown once, when it is made."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet, read_body
from scheduler_app.api.permissions import StaffMayRead, StaffWith
from scheduler_app.api.serializers import Body, NumberAsGiven, TextAsGiven
from scheduler_app.errors import InvalidSchedule, short

logger = logging.getLogger(__name__)

LONGEST_DAYS = 36_500
SHOWN = 8

KEY = OpenApiParameter(
    "begins_with", OpenApiTypes.STR, OpenApiParameter.PATH, description="as the list shows it"
)


class MayAddTokens(StaffWith):
    permission = "knox.add_authtoken"


class MayDeleteTokens(StaffWith):
    permission = "knox.delete_authtoken"


class TokenSerializer(serializers.ModelSerializer[AuthToken]):
    begins_with = serializers.SerializerMethodField(help_text="its first eight characters")
    user = serializers.CharField(source="user.username", read_only=True)
    created = serializers.DateTimeField(read_only=True)
    expiry = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = AuthToken
        fields = ["begins_with", "user", "created", "expiry"]
        read_only_fields = fields

    def get_begins_with(self, token: AuthToken) -> str:
        return str(token.token_key[:SHOWN])


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(read_only=True, help_text="whole; it is not shown again")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields


@extend_schema_serializer(many=False)
class TokenListSerializer(serializers.Serializer[Any]):
    results = TokenSerializer(many=True, read_only=True)


class TokenBody(Body):
    user = TextAsGiven(help_text="whose; only superusers make one for others [your own]")
    days = NumberAsGiven(help_text="valid for so many days [365]")


@extend_schema(tags=["tokens"])
class TokenViewSet(ApiViewSet):
    lookup_field = "begins_with"
    lookup_value_regex = "[^/]+"

    def get_permissions(self) -> list[BasePermission]:
        needed = {"create": MayAddTokens, "destroy": MayDeleteTokens}
        return [needed.get(self.action or "", StaffMayRead)()]

    @extend_schema(
        operation_id="tokens", responses=doc.answers(TokenListSerializer, *doc.READ_ERRORS)
    )
    def list(self, request: Request) -> Response:
        """Your own tokens, and those of others where you may see them."""
        tokens = AuthToken.objects.select_related("user").order_by("-created")
        if not request.user.has_perm("knox.view_authtoken"):
            tokens = tokens.filter(user=request.user.pk)
        return Response({"results": TokenSerializer(tokens, many=True).data})

    @extend_schema(
        operation_id="token_add",
        request=TokenBody,
        responses=doc.answers(NewTokenSerializer, *doc.WRITE_ERRORS, status=201),
    )
    def create(self, request: Request) -> Response:
        """A new token. It acts as its user, so nobody makes one for somebody who may more."""
        body = read_body(request, TokenBody)
        days = body.get("days", 365)
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
            said = _("The days are %(value)s; it takes a number from 1 to %(most)d.")
            told = {"value": short(days), "most": LONGEST_DAYS}
            raise InvalidSchedule({"days": said % told})
        user = _whose(request, body.get("user"))
        made, token = AuthToken.objects.create(user, expiry=dt.timedelta(days=days))
        _note(request, "add", made)
        made.token = token
        return Response(NewTokenSerializer(made).data, status=201)

    @extend_schema(
        operation_id="token_revoke",
        parameters=[KEY],
        responses={204: None, **doc.problems(404, *doc.READ_ERRORS)},
    )
    def destroy(self, request: Request, begins_with: str) -> Response:
        """Revoke a token: nobody logs in with it any more."""
        found = None
        if len(begins_with) == SHOWN and begins_with.isascii() and begins_with.isalnum():
            found = AuthToken.objects.filter(token_key__startswith=begins_with).first()
        if found is None:
            raise NotFound(_("There is no token that begins with %s.") % short(begins_with))
        _note(request, "revoke", found)
        found.delete()
        return Response(status=204)


def _whose(request: Request, name: object) -> AbstractBaseUser:
    """Raises InvalidSchedule for a name that is none, or that this account makes no token for."""
    if name is None or name == request.user.get_username():
        return request.user  # type: ignore[return-value]  # a staff account
    accounts = get_user_model()._default_manager.filter(is_active=True)
    user = accounts.filter(username=name).first() if _is_text(name) else None
    if not request.user.is_superuser or user is None:
        said = _("There is no user %s whom you may make a token for.") % short(name)
        raise InvalidSchedule({"user": said})
    return user


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _note(request: Request, what: str, token: AuthToken) -> None:
    logger.info("action=api_token_%s user=%s by=%s", what, token.user, request.user.get_username())
