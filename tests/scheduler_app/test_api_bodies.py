"""Whatever is sent: a sentence as problem+json, never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler_app.models import ExecutionLog, JobConfig
from tests.scheduler_app.web import JOB, logged_in, registered

pytestmark = pytest.mark.django_db

ACTIONS = ("schedule", "start", "stop", "trigger")
FIELDS = (
    "cron_expression", "hour", "minute", "timezone", "job_kwargs", "job_name", "interval_seconds",
    "interval_minutes",
)  # fmt: skip

# Lone surrogates and NUL included: JSON can carry them.
texts = st.text(st.characters(categories=["L", "N", "Cs", "Cc", "Po"]), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["0 18 * * *", "* * * * *", "UTC", "../etc", "days", "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(FIELDS) | texts


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def client() -> Client:
    return logged_in(superuser=True)


def send(client: Client, action: str, raw: bytes, media_type: str = "application/json") -> Any:
    return client.generic("POST", f"/api/scheduler/jobs/{JOB}/{action}", raw, media_type)


def is_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"].endswith(".")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(action=st.sampled_from(ACTIONS), body=st.dictionaries(names, values, max_size=4) | values)
def test_it_answers_any_json_without_a_fault(client: Client, action: str, body: object) -> None:
    answer = send(client, action, json.dumps(body).encode())
    assert answer.status_code < 500, answer.content
    assert answer.status_code in (200, 202) or answer.headers["Content-Type"].endswith("+json")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(action=st.sampled_from(ACTIONS), raw=st.binary(min_size=1, max_size=40))
def test_it_answers_any_bytes_without_a_fault(client: Client, action: str, raw: bytes) -> None:
    assert send(client, action, raw).status_code in (400, 200, 202)


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"5",
        b'{"hour": NaN}',
        b'{"hour": Infinity, "minute": 0}',
        b'{"hour": 1e400}',
        b'{"hour": ' + b"9" * 5000 + b"}",
        b'{"cron_expression": "\\u0000"}',
        b'{"cron_expression": "\\ud800"}',
        b'{"job_name": "\\ud800", "hour": 1}',
        b'{"job_name": "a\\u0000b", "hour": 1}',
        b'{"\\ud800": 1}',
        b'{"job_kwargs": {"days": 1e400}, "hour": 1}',
        b'{"job_kwargs": {"\\u0000": 1}, "hour": 1}',
        b'{"hour": 1, "hour": 2}',
        b'{"job_kwargs": {"days": ' + b"[" * 50 + b"]" * 50 + b'}, "hour": 1}',
        b'{"timezone": "../../etc/passwd", "hour": 1}',
        b'{"timezone": {}, "hour": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_it_refuses_a_body_with_a_sentence(client: Client, raw: bytes) -> None:
    is_problem(send(client, "schedule", raw), 400)
    assert not JobConfig.objects.filter(job_id=JOB).exists()


def test_it_refuses_a_body_of_another_type(client: Client) -> None:
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "x",
    ):
        is_problem(send(client, "trigger", b"days=1", media_type), 415)
    assert not ExecutionLog.objects.filter(job_id=JOB).exists()


@pytest.mark.parametrize("charset", ["utf-16", "rot13", "hex", "undefined", "nonsense"])
def test_it_reads_json_as_utf_8_whatever_charset_is_named(client: Client, charset: str) -> None:
    answer = send(client, "schedule", b'{"hour": 1}', f"application/json; charset={charset}")
    assert answer.status_code == 200


def test_it_refuses_a_body_that_is_too_large(client: Client) -> None:
    is_problem(send(client, "schedule", b" " * (1024 * 1024 + 1)), 413)


def test_it_refuses_arguments_that_are_too_large(client: Client) -> None:
    raw = json.dumps({"hour": 1, "job_kwargs": {"days": "x" * 100_000}}).encode()
    is_problem(send(client, "schedule", raw), 400)


def test_it_refuses_chunks_instead_of_forgetting_the_arguments(client: Client) -> None:
    answer = client.generic(
        "POST",
        f"/api/scheduler/jobs/{JOB}/trigger",
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
    )
    is_problem(answer, 400)
    assert not ExecutionLog.objects.filter(job_id=JOB).exists()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options"])
def test_it_refuses_another_method(client: Client, method: str) -> None:
    answer = getattr(client, method)(f"/api/scheduler/jobs/{JOB}/trigger")
    is_problem(answer, 405)
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/no", "/api/scheduler/jobs/a/b/c", "/api/%00"]
)
def test_it_has_nothing_at_other_addresses(client: Client, path: str) -> None:
    is_problem(client.get(path), 404)
    is_problem(client.post(path), 404)


@pytest.mark.parametrize("query", ["?format=xml", ""])
def test_it_answers_json_whatever_is_accepted(client: Client, query: str) -> None:
    answer = client.get(f"/api/scheduler/jobs{query}", headers={"Accept": "application/xml"})
    assert answer.headers["Content-Type"] == "application/json"
