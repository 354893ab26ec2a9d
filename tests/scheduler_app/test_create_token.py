"""`manage.py create_token`."""

from __future__ import annotations

import datetime as dt
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from tests.scheduler_app.web import account

pytestmark = pytest.mark.django_db


def made(*arguments: str) -> str:
    out = StringIO()
    call_command("create_token", *arguments, stdout=out)
    return out.getvalue()


def test_it_shows_a_token_that_works_alone_on_the_last_line() -> None:
    token = made(account().username).splitlines()[-1]
    assert re.fullmatch("[0-9A-Za-z]{40,}", token)
    answer = Client().get("/api/scheduler/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("arguments", "days"), [((), 365), (("--days", "7"), 7)])
def test_it_says_when_the_token_expires(arguments: tuple[str, ...], days: int) -> None:
    text = made(account().username, *arguments)
    expiry = AuthToken.objects.get().expiry
    assert expiry - timezone.now() > dt.timedelta(days=days, minutes=-1)
    assert expiry - timezone.now() < dt.timedelta(days=days, minutes=1)
    assert f"{timezone.localtime(expiry):%Y-%m-%d %H:%M CST}" in text


@pytest.mark.parametrize("days", ["0", "-1", "36501"])
def test_it_refuses_a_number_of_days_that_is_none(days: str) -> None:
    with pytest.raises(CommandError, match="it takes a number from 1 to 36500"):
        made(account().username, f"--days={days}")


def test_it_refuses_a_user_it_does_not_know() -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        made("nobody")


def test_it_refuses_a_user_that_is_not_active() -> None:
    user = account()
    user.is_active = False
    user.save()
    with pytest.raises(CommandError, match="not active"):
        made(user.username)
