"""What was written is sent until it is sent or given up; what goes wrong tells no secret."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from scheduler_app.models import Delivery, Notification, NotificationChannel, NotificationKind
from scheduler_app.notifications import outbox
from scheduler_app.notifications.messages import write, write_test
from scheduler_app.notifications.sealing import seal, unseal
from scheduler_app.notifications.texts import Text
from tests.webhook import SECRET, Receiver, channel

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def failing(now: datetime = NOW) -> Notification:
    write(NotificationKind.FAILING, lambda: Text("It fails", "Since six."), now)
    return Notification.objects.latest("id")


def test_a_message_is_sent_and_said_to_be(receiver: Receiver) -> None:
    team = channel(receiver.address)
    message = failing()
    assert outbox.send_due(NOW) == 1
    (said,) = receiver.messages
    assert (said["title"], said["message"]) == ("It fails", "Since six.")
    message.refresh_from_db()
    team.refresh_from_db()
    assert (message.state, message.sent_at, message.error) == (Delivery.SENT, NOW, "")
    assert (team.last_sent_at, team.last_error) == (NOW, "")
    assert outbox.send_due(NOW + DAY) == 0


def test_a_service_that_refuses_is_tried_again_later(receiver: Receiver) -> None:
    team = channel(receiver.address)
    message = failing()
    receiver.status = 503
    assert outbox.send_due(NOW) == 0
    assert outbox.send_due(NOW + timedelta(seconds=59)) == 0
    assert len(receiver.messages) == 1
    team.refresh_from_db()
    assert "503" in team.last_error and team.last_sent_at is None
    receiver.status = 200
    assert outbox.send_due(NOW + timedelta(seconds=60)) == 1
    message.refresh_from_db()
    team.refresh_from_db()
    assert (message.state, message.attempts, team.last_error) == (Delivery.SENT, 2, "")


def test_a_message_is_given_up_after_its_last_attempt(receiver: Receiver) -> None:
    channel(receiver.address)
    message = failing()
    receiver.status = 500
    for days in range(10):
        outbox.send_due(NOW + days * DAY)
    message.refresh_from_db()
    assert message.state == Delivery.GIVEN_UP
    assert message.attempts == len(receiver.messages) == len(outbox.DELAYS) + 1


def test_a_process_that_dies_while_sending_leaves_it_to_the_next(receiver: Receiver) -> None:
    channel(receiver.address)
    failing()

    class Killed(BaseException):
        pass

    def killed(address: str, subject: str, body: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        outbox.send_due(NOW, send=killed)
    assert outbox.send_due(NOW + timedelta(minutes=1)) == 1
    assert len(receiver.messages) == 1


def test_one_bad_service_does_not_stop_the_others(receiver: Receiver) -> None:
    channel("json://127.0.0.1:9/nobody", name="A")
    channel(receiver.address, name="B")
    failing()
    assert outbox.send_due(NOW) == 1
    assert len(receiver.messages) == 1


def test_no_part_of_an_address_is_logged_or_stored(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 400
    channel(receiver.address, name="A")
    channel(f"json://somebody:{SECRET}@127.0.0.1:9/{SECRET}", name="B")
    channel(f"wecombot://{SECRET}", name="no such host", enabled=False)
    failing()
    with caplog.at_level(logging.DEBUG):
        outbox.send_due(NOW)
    stored = [
        *NotificationChannel.objects.values_list("sealed_address", "service", "last_error"),
        *Notification.objects.values_list("subject", "body", "error"),
    ]
    assert SECRET not in repr(stored)
    # What a library logs at DEBUG does not come through at the level that we run at.
    ours = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert ours and not [record for record in ours if SECRET in record.getMessage()]


def test_an_address_sealed_under_another_key_asks_for_it_again(
    receiver: Receiver, settings: Settings
) -> None:
    team = channel(receiver.address)
    failing()
    settings.SECRET_KEY = "another key, of another installation"
    outbox.send_due(NOW)
    team.refresh_from_db()
    assert team.last_error == (
        "The address was stored under another SECRET_KEY and cannot be read; enter it again."
    )
    assert receiver.messages == []


def test_a_key_that_was_replaced_still_opens(settings: Settings) -> None:
    sealed = seal("json://host/path")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key"
    assert unseal(sealed) == "json://host/path"


def test_a_channel_that_is_off_keeps_its_messages(receiver: Receiver) -> None:
    team = channel(receiver.address)
    failing()
    NotificationChannel.objects.update(enabled=False)
    assert outbox.send_due(NOW) == 0
    NotificationChannel.objects.filter(pk=team.pk).update(enabled=True)
    assert outbox.send_due(NOW) == 1


def test_a_test_says_which_channel_it_tests(receiver: Receiver) -> None:
    write_test(channel(receiver.address))
    outbox.send_due(Notification.objects.get().created_at)
    assert "channel Team" in receiver.messages[0]["message"]


def test_a_watcher_is_pinged_every_minute(receiver: Receiver) -> None:
    watcher = channel(receiver.url, kind="heartbeat")
    for seconds in (0, 30, 59, 60, 70):
        outbox.ping_due(NOW + timedelta(seconds=seconds))
    assert receiver.pings == [f"/ping/{SECRET}"] * 2
    watcher.refresh_from_db()
    assert (watcher.last_sent_at, watcher.last_error) == (NOW + timedelta(seconds=60), "")


def test_a_watcher_that_does_not_take_a_ping_is_said_to(receiver: Receiver) -> None:
    watcher = channel(receiver.url, kind="heartbeat")
    receiver.status = 404
    outbox.ping_due(NOW)
    watcher.refresh_from_db()
    assert watcher.last_error == "127.0.0.1 answered the ping with HTTP 404."
    receiver.server_close()
    outbox.ping_due(NOW + timedelta(minutes=1))
    watcher.refresh_from_db()
    assert watcher.last_error.startswith("127.0.0.1 could not be reached: ")
    assert SECRET not in watcher.last_error


def test_old_messages_are_forgotten_but_those_that_wait(receiver: Receiver) -> None:
    channel(receiver.address)
    failing()
    outbox.send_due(NOW)
    waiting = failing()
    outbox.forget_old(NOW + 31 * DAY)
    assert list(Notification.objects.all()) == [waiting]
