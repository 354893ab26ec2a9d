"""Sends what was written, one message at a time, until it is sent or given up.

1. A message is claimed: one attempt more, and the moment of the next one if this one fails.
2. It is sent, outside any transaction.
3. What came of it is written.

A process that dies between 2 and 3 sends it once more: a message may come twice, none is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from scheduler_app.errors import SchedulerError
from scheduler_app.models import ChannelKind, Delivery, Notification, NotificationChannel
from scheduler_app.notifications import sealing, sending

logger = logging.getLogger(__name__)

# Before the second attempt, the third, …; after the last one the message is given up.
DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
AT_ONCE = 10
PING_EVERY = timedelta(seconds=60)
KEPT = timedelta(days=30)

Send = Callable[[str, str, str], None]
Ping = Callable[[str], None]


def send_due(now: datetime, send: Send = sending.send) -> int:
    """Try what may be tried now, the oldest first; how many messages were sent.

    Raises:
        django.db.Error: the database is away; the rest is sent later.
    """
    sent = 0
    for _ in range(AT_ONCE):
        message = _claim(now)
        if message is None:
            break
        sent += _try(message, now, send)
    return sent


def ping_due(now: datetime, ping: Ping = sending.ping) -> None:
    """Ping the addresses that were last pinged a minute ago, or never.

    Raises:
        django.db.Error: the database is away.
    """
    due = NotificationChannel.objects.filter(enabled=True, kind=ChannelKind.HEARTBEAT).exclude(
        last_sent_at__gt=now - PING_EVERY
    )
    for channel in due:
        # One that fails waits a minute too: the moment is that of the last attempt that was made.
        error = _error_of(lambda channel=channel: ping(sealing.unseal(channel.sealed_address)))  # type: ignore[misc]
        _note(channel, error, now, failed_before=channel.last_error)


def forget_old(now: datetime) -> None:
    """Delete messages that were sent or given up long ago."""
    old = Notification.objects.filter(created_at__lt=now - KEPT).exclude(state=Delivery.WAITING)
    old.delete()


def _claim(now: datetime) -> Notification | None:
    with transaction.atomic():
        message = (
            Notification.objects.select_related("channel")
            .select_for_update(skip_locked=True, of=("self",))
            .filter(state=Delivery.WAITING, not_before__lte=now, channel__enabled=True)
            .order_by("not_before", "id")
            .first()
        )
        if message is not None:
            message.attempts += 1
            message.not_before = now + DELAYS[min(message.attempts, len(DELAYS)) - 1]
            message.save(update_fields=["attempts", "not_before"])
    return message


def _try(message: Notification, now: datetime, send: Send) -> bool:
    channel = message.channel
    error = _error_of(
        lambda: send(sealing.unseal(channel.sealed_address), message.subject, message.body)
    )
    message.error = error
    if not error:
        message.state, message.sent_at = Delivery.SENT, now
    elif message.attempts > len(DELAYS):
        message.state = Delivery.GIVEN_UP
    message.save(update_fields=["state", "sent_at", "error"])
    _note(channel, error, now, failed_before=channel.last_error)
    return not error


def _error_of(send: Callable[[], None]) -> str:
    """Why it was not sent; empty where it was. No service can stop the others from being told."""
    try:
        send()
    except SchedulerError as error:
        return str(error)
    except Exception as error:
        # Its text may carry the address.
        return f"The service's own code failed: {type(error).__name__}."
    return ""


def _note(channel: NotificationChannel, error: str, now: datetime, *, failed_before: str) -> None:
    changes: dict[str, object] = {"last_error": error}
    if not error or channel.kind == ChannelKind.HEARTBEAT:
        changes["last_sent_at"] = now
    NotificationChannel.objects.filter(pk=channel.pk).update(**changes)
    if error and error != failed_before:
        logger.warning("action=notify channel=%s failed: %s", channel.pk, error)
    elif failed_before and not error:
        logger.info("action=notify channel=%s works again", channel.pk)
