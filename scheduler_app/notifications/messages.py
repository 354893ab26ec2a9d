"""Messages are rows first: written in the transaction of what they tell, sent by the outbox later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils import timezone, translation

from scheduler_app.models import ChannelKind, Notification, NotificationChannel, NotificationKind
from scheduler_app.notifications import texts
from scheduler_app.notifications.texts import Text
from scheduler_app.redaction import storable

SUBJECT_AT_MOST = 200
BODY_AT_MOST = 10_000


def write(kind: NotificationKind, text: Callable[[], Text], now: datetime) -> int:
    """A message for every channel that hears of changes, each in its language; how many."""
    channels = NotificationChannel.objects.filter(
        enabled=True, on_change=True, kind=ChannelKind.MESSAGES
    )
    rows = [_message(channel, kind, text, now) for channel in channels]
    return len(Notification.objects.bulk_create(rows))


def write_to(
    channel: NotificationChannel, kind: NotificationKind, text: Callable[[], Text], now: datetime
) -> Notification:
    """One message, for one channel."""
    message = _message(channel, kind, text, now)
    message.save()
    return message


def write_test(channel: NotificationChannel) -> Notification | None:
    """A test, for the outbox to send within seconds; a channel that is pinged needs none."""
    if channel.kind != ChannelKind.MESSAGES:
        return None
    test = NotificationKind.TEST
    return write_to(channel, test, lambda: texts.test(channel.name), timezone.now())


def _message(
    channel: NotificationChannel, kind: NotificationKind, text: Callable[[], Text], now: datetime
) -> Notification:
    with translation.override(channel.language):
        said = text()
    return Notification(
        channel=channel,
        kind=kind,
        subject=storable(said.subject)[:SUBJECT_AT_MOST],
        body=storable(said.body)[:BODY_AT_MOST],
        created_at=now,
        not_before=now,
    )
