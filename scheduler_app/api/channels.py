"""Notification channels: who is told what. Addresses go in and never come out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet, read_body
from scheduler_app.api.newest import number_of
from scheduler_app.api.permissions import StaffMayRead, StaffWith
from scheduler_app.api.serializers import Body, TextAsGiven, YesOrNoAsGiven
from scheduler_app.channel_form import ChannelForm
from scheduler_app.errors import InvalidSchedule, short
from scheduler_app.models import ChannelKind, NotificationChannel
from scheduler_app.notifications.messages import write_test
from scheduler_app.policy_rules import ClockTime, OneOf, YesOrNo

CHANNEL_ID = OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH)
FLAGS = ("enabled", "on_change")
# An address may be a secret: what is wrong with it is said without it.
TEXTS = ("name", "address")
RULES: dict[str, YesOrNo | OneOf | ClockTime] = {
    **dict.fromkeys(FLAGS, YesOrNo()),
    "kind": OneOf(tuple(ChannelKind.values)),
    "digest_at": ClockTime(),
    "language": OneOf(tuple(code for code, _name in settings.LANGUAGES)),
}


class NothingToTest(APIException):
    status_code = 409
    default_code = "conflict"


class MayAddChannels(StaffWith):
    permission = "scheduler_app.add_notificationchannel"


class MayChangeChannels(StaffWith):
    permission = "scheduler_app.change_notificationchannel"


class MayDeleteChannels(StaffWith):
    permission = "scheduler_app.delete_notificationchannel"


class ChannelSerializer(serializers.ModelSerializer[NotificationChannel]):
    """A channel without its address: `service` says what that belongs to."""

    kind = serializers.ChoiceField(choices=ChannelKind.choices, read_only=True)
    digest_at = serializers.TimeField(format="%H:%M", allow_null=True, read_only=True)

    class Meta:
        model = NotificationChannel
        fields = [
            "id",
            "name",
            "kind",
            "service",
            "enabled",
            "on_change",
            "digest_at",
            "language",
            "last_sent_at",
            "last_error",
        ]
        read_only_fields = fields


@extend_schema_serializer(many=False)
class ChannelListSerializer(serializers.Serializer[Any]):
    results = ChannelSerializer(many=True, read_only=True)


class ChannelBody(Body):
    name = TextAsGiven(help_text="what people call it")
    kind = TextAsGiven(help_text="messages [messages], or heartbeat: a ping every minute")
    address = TextAsGiven(help_text="as Apprise writes it, or the URL to ping; never shown again")
    enabled = YesOrNoAsGiven(help_text="[true]")
    on_change = YesOrNoAsGiven(help_text="tell of schedules that fail or work again [true]")
    digest_at = TextAsGiven(help_text="daily digest at HH:MM; empty text: none [none]")
    language = TextAsGiven(help_text="of the messages, such as en or zh-hans")


class TestBody(Body):
    pass


@extend_schema(tags=["notifications"])
class ChannelViewSet(ApiViewSet):
    lookup_field = "id"
    lookup_value_regex = "[^/]+"

    def get_permissions(self) -> list[BasePermission]:
        needed: dict[str, type[StaffMayRead]] = {
            "create": MayAddChannels,
            "partial_update": MayChangeChannels,
            "test": MayChangeChannels,
            "destroy": MayDeleteChannels,
        }
        return [needed.get(self.action or "", StaffMayRead)()]

    @extend_schema(
        operation_id="channels", responses=doc.answers(ChannelListSerializer, *doc.READ_ERRORS)
    )
    def list(self, request: Request) -> Response:
        """Every channel, by name."""
        found = ChannelSerializer(NotificationChannel.objects.all(), many=True)
        return Response({"results": found.data})

    @extend_schema(
        operation_id="channel",
        parameters=[CHANNEL_ID],
        responses=doc.answers(ChannelSerializer, 404, *doc.READ_ERRORS),
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """One channel."""
        return Response(ChannelSerializer(_find(id)).data)

    @extend_schema(
        operation_id="channel_add",
        request=ChannelBody,
        responses=doc.answers(ChannelSerializer, *doc.WRITE_ERRORS, status=201),
    )
    def create(self, request: Request) -> Response:
        """A new channel; it needs a name and an address."""
        fresh: dict[str, Any] = {"kind": ChannelKind.MESSAGES, "language": settings.LANGUAGE_CODE}
        fresh |= dict.fromkeys(FLAGS, True)
        channel = _save(None, fresh, read_body(request, ChannelBody))
        return Response(ChannelSerializer(channel).data, status=201)

    @extend_schema(
        operation_id="channel_change",
        parameters=[CHANNEL_ID],
        request=ChannelBody,
        responses=doc.answers(ChannelSerializer, *doc.WRITE_ERRORS),
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Change what is given; the rest stays."""
        channel = _find(id)
        names = ("name", "kind", "digest_at", "language", *FLAGS)
        stored = {name: getattr(channel, name) for name in names}
        channel = _save(channel, stored, read_body(request, ChannelBody))
        return Response(ChannelSerializer(channel).data)

    @extend_schema(
        operation_id="channel_delete",
        parameters=[CHANNEL_ID],
        responses={204: None, **doc.problems(404, *doc.READ_ERRORS)},
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Forget the channel, and what waits to be sent to it."""
        _find(id).delete()
        return Response(status=204)

    @extend_schema(
        operation_id="channel_test",
        parameters=[CHANNEL_ID],
        request=TestBody,
        responses=doc.answers(ChannelSerializer, 409, *doc.WRITE_ERRORS, status=202),
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, id: str) -> Response:
        """Let the scheduler send a test; `last_sent_at` and `last_error` say what came of it."""
        channel = _find(id)
        read_body(request, TestBody)
        if channel.kind != ChannelKind.MESSAGES:
            raise NothingToTest(_("A channel that is pinged every minute needs no test."))
        if not channel.enabled:
            raise NothingToTest(_("%s is off, so no test is sent to it.") % channel)
        write_test(channel)
        return Response(ChannelSerializer(channel).data, status=202)


def _save(
    channel: NotificationChannel | None, before: dict[str, Any], given: dict[str, Any]
) -> NotificationChannel:
    """Store what is given, and else what was before, as the admin's form does.

    Raises:
        InvalidSchedule: field -> sentence.
    """
    errors = {}
    for name, value in given.items():
        if name in TEXTS:
            if not isinstance(value, str):
                errors[name] = _("The %(field)s is no text.") % {"field": name}
        elif problem := RULES[name].problem(value):
            said = {"field": name, "value": short(value), "problem": problem}
            errors[name] = _("The %(field)s is %(value)s; %(problem)s.") % said
    if errors:
        raise InvalidSchedule(errors)
    form = ChannelForm(before | given, instance=channel)
    if not form.is_valid():
        raise InvalidSchedule(
            {name: " ".join(str(each) for each in some) for name, some in form.errors.items()}
        )
    return form.save()


def _find(id: str) -> NotificationChannel:
    channel = NotificationChannel.objects.filter(pk=number_of(id)).first()
    if channel is None:
        raise NotFound(_("There is no channel %s.") % short(id))
    return channel
