"""The admin's menu and look: every page is in it, for those who may see it, from this machine."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

import stocksync.urls  # noqa: F401  # the pages of the admin come with the addresses
from tests.scheduler_app.web import VIEW, logged_in

pytestmark = pytest.mark.django_db

LINK = re.compile(r'(?:src|href)="([^"]+)"')


def links(client: Client, path: str = "/admin/") -> set[str]:
    return set(LINK.findall(client.get(path).content.decode()))


def status(client: Client, path: str) -> int:
    answer = client.get(path)
    answer.close()
    return answer.status_code


def test_the_menu_has_every_table_that_the_admin_shows() -> None:
    found = links(logged_in(superuser=True))
    for model in admin.site._registry:
        if model._meta.label != "django_apscheduler.DjangoJob":  # the overview links to it
            assert f"/admin/{model._meta.app_label}/{model._meta.model_name}/" in found


def test_the_menu_has_only_what_the_person_may_see() -> None:
    found = links(logged_in(VIEW))
    assert "/admin/scheduler_app/jobconfig/" in found
    assert "/admin/auth/user/" not in found


@pytest.mark.parametrize(
    "path", ["", "login/", "auth/user/add/", "auth/group/add/", "knox/authtoken/add/"]
)
def test_a_page_takes_its_assets_from_here_and_all_are_served(path: str) -> None:
    client = Client() if path == "login/" else logged_in(superuser=True)
    found = links(client, f"/admin/{path}")
    assets = {link for link in found if link.startswith("/static/")}
    assert assets
    assert [link for link in found if re.match(r"(https?:)?//", link)] == []
    assert {link: status(client, link) for link in assets} == dict.fromkeys(assets, 200)


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/", "/static/stocksync/source.css"])
def test_every_answer_lets_the_browser_ask_this_server_only(path: str) -> None:
    answer = logged_in(superuser=True).get(path)
    answer.close()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';") and "http" not in policy


def test_the_search_that_is_not_used_does_not_fail() -> None:
    answer = logged_in(superuser=True).get("/admin/search/?s=job&page=x")
    assert answer.headers["Location"] == "/admin/"


def test_who_logs_in_comes_to_the_overview() -> None:
    User.objects.create_superuser("boss", password="a long password")
    answer = Client().post("/admin/login/", {"username": "boss", "password": "a long password"})
    assert answer.headers["Location"] == "/admin/"
