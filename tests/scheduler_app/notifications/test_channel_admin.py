"""Channels and messages in the admin: addresses go in and never come out, nothing is sent in a request."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from scheduler_app.models import Delivery, Notification, NotificationChannel
from scheduler_app.notifications.messages import write_test
from scheduler_app.notifications.sealing import unseal
from tests.scheduler_app.web import logged_in, scheduler_runs
from tests.webhook import SECRET, Receiver, channel

pytestmark = pytest.mark.django_db

CHANNELS = "/admin/scheduler_app/notificationchannel/"
MESSAGES = "/admin/scheduler_app/notification/"
VIEW, EDIT = "view_notificationchannel", "change_notificationchannel"
GOOD = {
    "name": "Team",
    "kind": "messages",
    "address": f"wecombot://{SECRET}",
    "enabled": "on",
    "on_change": "on",
    "digest_at": "",
    "language": "en",
}


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def added(client: Client, **changes: str) -> Any:
    return client.post(f"{CHANNELS}add/", {**GOOD, **changes})


def text_of(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_channel_is_stored_sealed(client: Client) -> None:
    assert added(client).status_code == 302
    stored = NotificationChannel.objects.get()
    assert SECRET not in stored.sealed_address
    assert unseal(stored.sealed_address) == GOOD["address"]
    assert stored.service == "WeCom Bot"


def test_the_box_for_the_address_looks_like_the_others(client: Client) -> None:
    text = text_of(client, f"{CHANNELS}add/")
    (box,) = re.findall(r'<input type="password"[^>]*>', text)
    assert 'autocomplete="off"' in box and "border" in box


def test_its_address_is_on_no_page(client: Client) -> None:
    added(client)
    pk = NotificationChannel.objects.get().pk
    for path in (CHANNELS, f"{CHANNELS}{pk}/change/", f"{CHANNELS}{pk}/history/"):
        assert SECRET not in text_of(client, path)
    assert "One of WeCom Bot is stored" in text_of(client, f"{CHANNELS}{pk}/change/")


def test_a_refused_address_is_not_shown_again(client: Client) -> None:
    answer = added(client, address=f"nonesuch://{SECRET}")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "begins with nonesuch://" in text and "wecombot://KEY" in text
    assert SECRET not in text
    assert not NotificationChannel.objects.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"address": ""}, "An address is needed."),
        ({"name": ""}, "This field is required."),
        ({"kind": "smoke"}, "smoke is not one of the available choices"),
        ({"digest_at": "25:00"}, "Enter a valid time."),
        ({"language": "tlh"}, "tlh is not one of the available choices"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(
    client: Client, changes: dict[str, str], sentence: str
) -> None:
    answer = added(client, **changes)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not NotificationChannel.objects.exists()


def test_an_empty_address_keeps_the_one_that_is_stored(client: Client) -> None:
    added(client)
    before = NotificationChannel.objects.get()
    client.post(f"{CHANNELS}{before.pk}/change/", {**GOOD, "name": "Others", "address": ""})
    after = NotificationChannel.objects.get()
    assert (after.name, after.sealed_address) == ("Others", before.sealed_address)


def test_what_is_sent_does_not_change_without_an_address_for_it(client: Client) -> None:
    added(client)
    pk = NotificationChannel.objects.get().pk
    answer = client.post(f"{CHANNELS}{pk}/change/", {**GOOD, "kind": "heartbeat", "address": ""})
    assert "enter an address for it" in answer.content.decode()
    assert NotificationChannel.objects.get().kind == "messages"


def test_a_digest_whose_time_has_passed_comes_tomorrow(client: Client) -> None:
    added(client, digest_at="00:00")
    assert NotificationChannel.objects.get().digest_on == timezone.localtime().date()


def test_a_test_is_written_and_not_sent_by_the_request(client: Client, receiver: Receiver) -> None:
    scheduler_runs()
    team = channel(receiver.address)
    text = client.post(f"{CHANNELS}{team.pk}/test/", follow=True).content.decode()
    assert "A test for Team is sent within seconds" in text
    assert Notification.objects.get().state == Delivery.WAITING
    assert receiver.messages == []


def test_a_test_that_nobody_would_send_says_so(client: Client) -> None:
    team = channel()
    text = client.post(f"{CHANNELS}{team.pk}/test/", follow=True).content.decode()
    assert "no scheduler is running that would send it" in text


def test_several_channels_are_tested_at_once(client: Client) -> None:
    scheduler_runs()
    chosen = [channel(name="A").pk, channel(name="B").pk, channel(name="C", enabled=False).pk]
    text = client.post(
        CHANNELS, {"action": "send_test", "_selected_action": chosen}, follow=True
    ).content.decode()
    assert "C is off, so no test is sent to it." in text
    assert Notification.objects.count() == 2


def test_a_watcher_needs_no_test(client: Client) -> None:
    watcher = channel(kind="heartbeat")
    text = client.post(f"{CHANNELS}{watcher.pk}/test/", follow=True).content.decode()
    assert "pinged every minute by itself" in text
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("permissions", "may_see", "may_edit"),
    [((), False, False), ((VIEW,), True, False), ((EDIT,), True, True)],
)
def test_each_permission_opens_its_own_page(
    permissions: tuple[str, ...], may_see: bool, may_edit: bool
) -> None:
    client = logged_in(*permissions)
    team = channel()
    page = f"{CHANNELS}{team.pk}/change/"
    assert client.get(page).status_code == (200 if may_see else 403)
    assert client.get(CHANNELS).status_code == (200 if may_see else 403)
    assert client.post(f"{CHANNELS}{team.pk}/test/").status_code == (302 if may_edit else 403)
    assert client.get(f"{CHANNELS}{team.pk}/test/").status_code == 405
    client.post(page, {**GOOD, "name": "Others"})
    assert (NotificationChannel.objects.get().name == "Others") is may_edit


def test_who_may_only_look_sees_no_box_for_the_address() -> None:
    client = logged_in(VIEW)
    text = text_of(client, f"{CHANNELS}{channel().pk}/change/")
    assert 'type="password"' not in text
    assert "JSON" in text


def test_messages_are_there_to_read(client: Client) -> None:
    Notification.objects.create(
        channel=channel(),
        kind="failing",
        subject="It fails",
        body="Since <b>six</b>.",
        created_at=timezone.now(),
        not_before=timezone.now() + dt.timedelta(minutes=5),
        attempts=1,
        error="The service refused it.",
    )
    assert "It fails" in text_of(client, MESSAGES)
    text = text_of(client, f"{MESSAGES}{Notification.objects.get().pk}/change/")
    assert "Since &lt;b&gt;six&lt;/b&gt;." in text
    assert "tried 1 times; again at" in text
    assert client.get(f"{MESSAGES}add/").status_code == 403


def test_a_channel_is_deleted_with_what_waits_for_it() -> None:
    team = channel()
    write_test(team)
    boss = logged_in(superuser=True)
    address = f"/admin/scheduler_app/notificationchannel/{team.pk}/delete/"
    assert "a test" in boss.get(address).content.decode()
    boss.post(address, {"post": "yes"})
    assert not NotificationChannel.objects.exists()
    assert not Notification.objects.exists()
