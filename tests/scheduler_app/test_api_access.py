"""Who may do what, over every route."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLResolver, get_resolver, resolve
from knox.models import AuthToken

from scheduler_app.models import JobConfig
from tests.scheduler_app.api_routes import READS, WRITES, S, hold_rows, state
from tests.scheduler_app.web import (
    CHANGE,
    JOB,
    PAUSE,
    TRIGGER,
    account,
    logged_in,
    post,
    registered,
)

pytestmark = pytest.mark.django_db

PERMISSIONS = {
    permission for _method, _route, _body, needed, _good in WRITES for permission in needed
}
# Monitors ask for health without a login; `dataapi` speaks Tushare and has its own; of a dataset
# that there is not, staff alone hear so. Each has its test.
OF_THEIR_OWN = {("GET", "healthz"), ("GET", "data-unknown")}


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        hold_rows()
        yield


def anonymous() -> Client:
    return Client()


def plain() -> Client:
    return logged_in(CHANGE, PAUSE, TRIGGER, staff=False)


def staff() -> Client:
    return logged_in()


def superuser() -> Client:
    return logged_in(superuser=True)


@pytest.mark.parametrize("route", READS)
def test_it_lets_staff_read(route: str) -> None:
    for who, status in ((anonymous, 401), (plain, 403), (staff, 200), (superuser, 200)):
        answer = who().get(route)
        assert (who.__name__, answer.status_code) == (who.__name__, status)
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(("method", "route", "body", "needed", "good"), WRITES)
def test_it_lets_nobody_change_who_may_not(
    method: str, route: str, body: object, needed: tuple[str, ...], good: int
) -> None:
    before = state()
    # Everything but one of what it needs.
    lacking = [logged_in(*sorted(PERMISSIONS - {each})) for each in needed]
    outsider = logged_in(*needed, staff=False)
    for client, status in [
        (anonymous(), 401),
        *((each, 403) for each in (outsider, staff(), *lacking)),
    ]:
        answer = getattr(client, method)(route, body, content_type="application/json")
        assert answer.status_code == status
    assert state() == before


@pytest.mark.parametrize("who", ["permitted", "superuser"])
@pytest.mark.parametrize(("method", "route", "body", "needed", "good"), WRITES)
def test_it_lets_those_change_who_may(
    method: str, route: str, body: object, needed: tuple[str, ...], good: int, who: str
) -> None:
    client = superuser() if who == "superuser" else logged_in(*needed)
    answer = getattr(client, method)(route, body, content_type="application/json")
    assert answer.status_code == good


@pytest.mark.parametrize(
    ("who", "status"), [(anonymous, 401), (plain, 403), (staff, 404), (superuser, 404)]
)
def test_only_staff_hear_which_datasets_there_are(who: Callable[[], Client], status: int) -> None:
    assert who().get("/api/data/nonsense").status_code == status


def methods_of_routes(patterns: Any = None) -> Iterator[tuple[str, str]]:
    """Each method that a view of the API answers to, with the name of its address."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(each, URLResolver):
            yield from methods_of_routes(each.url_patterns)
        elif view := getattr(each.callback, "cls", None):
            answered = getattr(each.callback, "actions", None) or [
                name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)
            ]
            yield from ((name.upper(), str(each.name)) for name in answered if name != "head")


def test_the_table_names_every_method_of_every_route() -> None:
    reads = {("GET", str(resolve(route.partition("?")[0]).url_name)) for route in READS}
    writes = {(method.upper(), str(resolve(route).url_name)) for method, route, *_ in WRITES}
    assert reads | writes | OF_THEIR_OWN == set(methods_of_routes())


def test_every_address_belongs_to_the_api_or_is_known() -> None:
    names = {key for key in get_resolver().reverse_dict if isinstance(key, str)}
    # The language is every visitor's own; `doctor` is a page of the admin, for all of the staff.
    others = {"dataapi", "set_language", "doctor"}
    assert names == others | {name for _method, name in methods_of_routes()}


def test_it_says_which_permission_is_needed() -> None:
    answer = post(staff(), f"{S}/jobs/{JOB}/trigger")
    assert "scheduler_app.trigger_jobconfig" in answer.json()["detail"]


def test_it_takes_a_token() -> None:
    _row, token = AuthToken.objects.create(account())
    answer = Client().get(f"{S}/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 200


def test_it_refuses_an_expired_token() -> None:
    _row, token = AuthToken.objects.create(account(), expiry=dt.timedelta(seconds=-1))
    answer = Client().get(f"{S}/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header", ["Token", "Token nonsense", "Token a b", "Token \xff\xfe", "Token \0"]
)
def test_it_refuses_a_token_that_is_none(header: str) -> None:
    answer = Client().get(f"{S}/jobs", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_it_refuses_a_session_without_its_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account(CHANGE))
    answer = post(client, f"{S}/jobs/{JOB}/stop")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]
    assert JobConfig.objects.get(job_id=JOB).enabled


def test_it_refuses_an_account_that_was_closed() -> None:
    user = account()
    _row, token = AuthToken.objects.create(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    answer = Client().get(f"{S}/jobs", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 401
