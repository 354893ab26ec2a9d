"""Every route and every field: what is sent to do harm is no fault of the server and stores nothing.

What one field must say is in the tests of its page or route; here is that none was forgotten.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

import stocksync.urls  # noqa: F401  # the pages of the admin come with the addresses
from datasync_app.datasets import DATASETS
from scheduler_app.admin.look import ReadOnly
from tests.every_page import hold_rows as hold_pages
from tests.scheduler_app.api_routes import READS, WRITES, hold_rows, state
from tests.scheduler_app.web import account, logged_in, registered

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>'; DROP TABLE daily; --"
DEEP = json.loads("[" * 400 + "]" * 400)
VALUES = (SCRIPT, "\0", "x" * 100_000, DEEP, 10**400, [SCRIPT])
ASKED = ("%3Cscript%3Ealert(1)%3C/script%3E'; DROP TABLE daily; --", "%00", "9" * 500)
BODIES = [write for write in WRITES if write[2] is not None]
# `start` takes the policies that `schedule` takes, by the same code; datasets share theirs.
OWN = {"interval_seconds", "interval_minutes"}
LEFT_OUT = {f"/api/data/{name}" for name in DATASETS if name not in {"daily", "ths_member"}}


@functools.cache
def document() -> Any:
    return SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]


def operation(method: str, route: str) -> Any:
    """What the OpenAPI document says of it."""
    path = route.partition("?")[0].rstrip("/")
    for template, operations in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return operations[method]
    return None


def fields_of(method: str, route: str) -> list[str]:
    content = operation(method, route).get("requestBody", {}).get("content", {})
    name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    fields = document()["components"]["schemas"][name].get("properties", {}) if name else {}
    return [field for field in fields if field in OWN or not route.endswith("/start")]


@pytest.fixture
def client() -> Iterator[Client]:
    with registered():
        hold_rows()
        yield logged_in(superuser=True)


def send(client: Client, method: str, route: str, body: object) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    return client.generic(method.upper(), route, raw, "application/json")


@pytest.mark.parametrize(("method", "route", "body"), [write[:3] for write in BODIES])
def test_no_field_of_the_api_takes_harm(
    client: Client, method: str, route: str, body: dict[str, Any]
) -> None:
    before = state()
    for field in fields_of(method, route):
        for value in VALUES:
            with transaction.atomic():
                answer = send(client, method, route, {**body, field: value})
                # A reason, or the name of a thing, may be any text.
                if answer.status_code < 300:
                    transaction.set_rollback(True)
                    continue
            what = (field, str(value)[:40], answer.content[:300])
            assert 400 <= answer.status_code < 500, what
            assert answer.headers["Content-Type"] == "application/problem+json", what
            assert 0 < len(answer.json()["detail"]) < 2_000, what
    assert state() == before


def test_the_fields_are_found() -> None:
    found = {route: fields_of(method, route) for method, route, *_ in BODIES}
    assert found["/api/notifications/channels"] == [
        "name", "kind", "address", "enabled", "on_change", "digest_at", "language",
    ]  # fmt: skip
    assert sum(map(len, found.values())) > 40


def test_no_route_takes_ten_megabytes(client: Client) -> None:
    before, huge = state(), b'{"text": "' + b"x" * 10_000_000 + b'"}'
    for method, route, *_rest in BODIES:
        answer = send(client, method, route, huge)
        assert (route, answer.status_code) == (route, 413)
    assert state() == before


def test_no_route_takes_what_is_no_object(client: Client) -> None:
    before = state()
    for method, route, *_rest in BODIES:
        for body in (b"{", b"[1]", b'"text"', b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}'):
            answer = send(client, method, route, body)
            assert (route, body, answer.status_code) == (route, body, 400)
    assert state() == before


def test_no_route_takes_a_forged_csrf_token(client: Client) -> None:
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = client.cookies
    forger.cookies["csrftoken"] = "a" * 32
    before = state()
    for method, route, body, *_rest in WRITES:
        answer = forger.generic(method.upper(), route, json.dumps(body or {}), "application/json",
                                headers={"X-CSRFToken": "b" * 32})  # fmt: skip
        assert (route, answer.status_code) == (route, 403)
        assert "CSRF" in answer.json()["detail"]
    assert state() == before


def test_no_filter_of_the_api_takes_harm(client: Client) -> None:
    before, asked = state(), 0
    for route in READS:
        found = operation("get", route) if route not in LEFT_OUT else None
        for parameter in (found or {}).get("parameters", []):
            if parameter["in"] == "query":
                for text in ASKED:
                    address = f"{route}{'&' if '?' in route else '?'}{parameter['name']}={text}"
                    answer = client.get(address)
                    assert answer.status_code in {200, 400, 404}, address
                    asked += 1
    assert state() == before
    assert asked > 100


def forms() -> list[str]:
    """The form of each table that people may write to, for a new row."""
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
        for model, model_admin in admin.site._registry.items()
        if not isinstance(model_admin, ReadOnly)
    ]


def test_no_form_of_the_admin_takes_harm() -> None:
    boss = account(superuser=True)
    with registered():
        hold_pages(boss)
        client = Client()
        client.force_login(boss)
        seen = 0
        for address in forms():
            page = client.get(address)
            if page.status_code == 403:  # made by the engine, or by a command
                continue
            fields = page.context["adminform"].form.fields
            for value in (SCRIPT, "\0", "x" * 100_000, "9" * 500):
                with transaction.atomic():
                    answer = client.post(address, dict.fromkeys(fields, value))
                    assert answer.status_code == 200, (address, value[:20])
                    shown = answer.content.decode()
                    assert answer.context["errors"], (address, value[:20])
                    assert "<script>alert" not in shown, address
                    seen += 1
                    transaction.set_rollback(True)
    assert seen >= 16
