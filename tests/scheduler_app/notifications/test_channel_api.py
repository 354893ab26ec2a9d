"""Channels by the API: the form's own sentences, and no address in any answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from scheduler_app.models import Notification, NotificationChannel
from scheduler_app.notifications.messages import write_test
from scheduler_app.notifications.sealing import unseal
from tests.scheduler_app.web import logged_in, post
from tests.webhook import SECRET, channel

pytestmark = pytest.mark.django_db

CHANNELS = "/api/notifications/channels"
GOOD = {"name": "Team", "address": f"wecombot://{SECRET}"}


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def patched(client: Client, pk: int, body: dict[str, object]) -> Any:
    return client.patch(f"{CHANNELS}/{pk}", body, content_type="application/json")


def test_a_channel_is_added_and_listed_without_its_address(client: Client) -> None:
    answer = post(client, CHANNELS, {**GOOD, "digest_at": "09:30", "on_change": False})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["service"], made["kind"], made["digest_at"]) == ("WeCom Bot", "messages", "09:30")
    assert (made["enabled"], made["on_change"]) == (True, False)
    listed = client.get(CHANNELS)
    assert listed.json()["results"] == [made]
    assert SECRET not in listed.content.decode() + answer.content.decode()
    assert unseal(NotificationChannel.objects.get().sealed_address) == GOOD["address"]


def test_what_is_given_is_changed_and_the_rest_stays(client: Client) -> None:
    pk = post(client, CHANNELS, {**GOOD, "digest_at": "09:30"}).json()["id"]
    changed = patched(client, pk, {"enabled": False}).json()
    assert (changed["enabled"], changed["digest_at"], changed["name"]) == (False, "09:30", "Team")
    assert patched(client, pk, {"digest_at": ""}).json()["digest_at"] is None
    assert unseal(NotificationChannel.objects.get().sealed_address) == GOOD["address"]


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"address": "nonesuch://hunter2"}, "address", "begins with nonesuch://"),
        ({"address": 5}, "address", "is no text"),
        ({"address": None}, "address", "An address is needed."),
        ({"name": ["x"]}, "name", "is no text"),
        ({"kind": "smoke"}, "kind", "it takes one of messages, heartbeat"),
        ({"enabled": "yes"}, "enabled", "it takes true or false"),
        ({"digest_at": "9 o'clock"}, "digest_at", "it takes a time of day such as 19:30"),
        ({"digest_at": True}, "digest_at", "it takes a time of day such as 19:30"),
        ({"kind": "x" * 9_000}, "kind", "it takes one of messages, heartbeat"),
        ({"colour": "red"}, "colour", "There is no field 'colour'."),
    ],
)
def test_bad_input_is_refused_with_a_sentence(
    client: Client, changes: dict[str, object], field: str, sentence: str
) -> None:
    answer = post(client, CHANNELS, GOOD | changes)
    assert answer.status_code == 400
    assert sentence in answer.json()["errors"][field][0]
    assert "hunter2" not in answer.content.decode()
    assert not NotificationChannel.objects.exists()


def test_a_name_is_taken_once(client: Client) -> None:
    channel(name="Team")
    answer = post(client, CHANNELS, GOOD)
    assert answer.status_code == 400
    assert "already exists" in answer.json()["errors"]["name"][0]


def test_a_test_is_written_for_the_scheduler_to_send(client: Client) -> None:
    answer = post(client, f"{CHANNELS}/{channel().pk}/test")
    assert answer.status_code == 202
    assert Notification.objects.get().kind == "test"


@pytest.mark.parametrize("fields", [{"enabled": False}, {"kind": "heartbeat"}])
def test_what_gets_no_messages_gets_no_test(client: Client, fields: dict[str, Any]) -> None:
    answer = post(client, f"{CHANNELS}/{channel(**fields).pk}/test")
    assert answer.status_code == 409
    assert not Notification.objects.exists()


def test_a_channel_is_deleted_with_what_waits_for_it(client: Client) -> None:
    team = channel()
    post(client, f"{CHANNELS}/{team.pk}/test")
    assert client.delete(f"{CHANNELS}/{team.pk}").status_code == 204
    assert not Notification.objects.exists()
    gone = client.get(f"{CHANNELS}/{team.pk}")
    assert gone.status_code == 404
    assert f"There is no channel '{team.pk}'." in gone.json()["detail"]


@pytest.mark.parametrize(
    ("permissions", "add", "change", "delete"),
    [
        ((), 403, 403, 403),
        (("add_notificationchannel",), 201, 403, 403),
        (("change_notificationchannel",), 403, 200, 403),
        (("delete_notificationchannel",), 403, 403, 204),
    ],
)
def test_each_permission_allows_its_own(
    permissions: tuple[str, ...], add: int, change: int, delete: int
) -> None:
    client = logged_in(*permissions)
    one = channel(name="One").pk
    assert client.get(CHANNELS).status_code == 200
    assert post(client, CHANNELS, GOOD).status_code == add
    assert patched(client, one, {"enabled": True}).status_code == change
    assert client.delete(f"{CHANNELS}/{one}").status_code == delete


def test_messages_are_listed_with_what_became_of_them(client: Client) -> None:
    team = channel()
    first, second = write_test(team), write_test(team)
    assert first and second
    Notification.objects.filter(pk=first.pk).update(state="given_up", error="It was refused.")
    page = client.get("/api/notifications/messages?limit=1").json()
    (newest,) = page["results"]
    assert (newest["id"], newest["state"], newest["channel_id"]) == (second.pk, "waiting", team.pk)
    assert page["next"] == second.pk
    (failed,) = client.get("/api/notifications/messages?state=given_up").json()["results"]
    assert (failed["id"], failed["error"]) == (first.pk, "It was refused.")
    assert client.get("/api/notifications/messages?state=lost").status_code == 400
