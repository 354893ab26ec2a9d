"""Tokens by the API: made once, listed by how they begin, revoked."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from tests.scheduler_app.web import logged_in, post

pytestmark = pytest.mark.django_db

TOKENS = "/api/tokens"
OWN = ("add_authtoken", "delete_authtoken")


def made(client: Client, body: object = None) -> dict[str, Any]:
    answer = post(client, TOKENS, body or {})
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_a_token_is_shown_once_works_and_is_revoked() -> None:
    staff = logged_in(*OWN)
    new = made(staff, {"days": 30})
    assert new["user"] == f"staff-{'-'.join(OWN)}"
    left = AuthToken.objects.get().expiry - timezone.now()
    assert dt.timedelta(days=29) < left <= dt.timedelta(days=30)
    listed = staff.get(TOKENS)
    assert listed.json()["results"] == [{key: new[key] for key in new if key != "token"}]
    assert new["token"] not in listed.content.decode()

    header = {"Authorization": f"Token {new['token']}"}
    assert Client().get(TOKENS, headers=header).status_code == 200
    assert staff.delete(f"{TOKENS}/{new['begins_with']}").status_code == 204
    assert Client().get(TOKENS, headers=header).status_code == 401


def test_the_tokens_of_others_are_seen_by_who_may_see_them() -> None:
    AuthToken.objects.create(User.objects.create(username="other"))
    assert logged_in(*OWN).get(TOKENS).json()["results"] == []
    (other,) = logged_in(*OWN, "view_authtoken").get(TOKENS).json()["results"]
    assert other["user"] == "other"


def test_only_superusers_make_tokens_for_others() -> None:
    User.objects.create(username="other")
    User.objects.create(username="closed", is_active=False)
    refused = post(logged_in(*OWN), TOKENS, {"user": "other"})
    assert refused.status_code == 400
    assert "whom you may make a token for" in refused.json()["errors"]["user"][0]
    boss = logged_in(superuser=True)
    assert made(boss, {"user": "other"})["user"] == "other"
    for nobody in ("closed", "nobody", "a\0b", 7):
        assert post(boss, TOKENS, {"user": nobody}).status_code == 400
    assert AuthToken.objects.count() == 1


@pytest.mark.parametrize("days", [0, 36_501, 1.5, True, "30"])
def test_days_that_are_none_are_refused(days: object) -> None:
    answer = post(logged_in(*OWN), TOKENS, {"days": days})
    assert answer.status_code == 400
    assert "it takes a number from 1 to 36500" in answer.json()["errors"]["days"][0]
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize("begins_with", ["0123abcd", "0123", "%00", "%25%25%25%25%25%25%25%25"])
def test_a_token_that_is_none_is_not_revoked(begins_with: str) -> None:
    staff = logged_in(*OWN)
    new = made(staff)
    answer = staff.delete(f"{TOKENS}/{begins_with}")
    assert answer.status_code == 404
    assert AuthToken.objects.get().token_key.startswith(new["begins_with"])
