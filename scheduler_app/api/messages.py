"""What channels were told, and what became of it."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet
from scheduler_app.api.newest import PAGING, PageSerializer, newest, paged
from scheduler_app.api.queries import read_query
from scheduler_app.models import Delivery, Notification
from scheduler_app.notification_models import NotificationKind

MESSAGE_FIELDS = [
    "id",
    "channel_id",
    "kind",
    "subject",
    "body",
    "state",
    "created_at",
    "not_before",
    "attempts",
    "sent_at",
    "error",
]


class MessageSerializer(serializers.ModelSerializer[Notification]):
    channel_id = serializers.IntegerField(read_only=True)
    kind = serializers.ChoiceField(choices=NotificationKind.choices, read_only=True)
    state = serializers.ChoiceField(choices=Delivery.choices, read_only=True)

    class Meta:
        model = Notification
        fields = MESSAGE_FIELDS
        read_only_fields = MESSAGE_FIELDS


@extend_schema_serializer(many=False)
class MessageListSerializer(PageSerializer):
    results = MessageSerializer(many=True, read_only=True)


@extend_schema(tags=["notifications"])
class MessageViewSet(ApiViewSet):
    @extend_schema(
        operation_id="messages",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=Delivery.values),
            OpenApiParameter("kind", OpenApiTypes.STR, enum=NotificationKind.values),
            *PAGING,
        ],
        responses=doc.answers(MessageListSerializer, *doc.READ_ERRORS),
    )
    def list(self, request: Request) -> Response:
        """The newest messages first, with what became of each."""
        kinds = {"state": Delivery.values, "kind": NotificationKind.values}
        given = read_query(request, paged(kinds))
        rows = Notification.objects.filter(**{name: given[name] for name in kinds if name in given})
        shown, following = newest(rows, given)
        return Response({"results": MessageSerializer(shown, many=True).data, "next": following})
