"""`doctor` as a page of the admin."""

from __future__ import annotations

import socket

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from stocksync.checkup import checkup
from tests.datasync_app.factories import LedgerFactory
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

PAGE = "/admin/doctor/"


def test_it_tells_what_the_command_tells() -> None:
    answer = logged_in().get(PAGE)
    told = [(finding.what, finding.ok) for finding in answer.context["findings"]]
    assert told == [(finding.what, finding.ok) for finding in checkup()]
    text = answer.content.decode()
    assert "none is running (no heartbeat was ever seen)" in text
    assert "not in order" in text


def test_the_api_tells_the_same() -> None:
    answer = logged_in().get("/api/doctor").json()
    told = [(finding["what"], finding["ok"]) for finding in answer["findings"]]
    assert told == [(finding.what, finding.ok) for finding in checkup()]
    assert answer["ok"] is False


def test_it_is_for_staff() -> None:
    assert Client().get(PAGE).status_code == 302
    assert logged_in(staff=False).get(PAGE).status_code == 302


def test_a_source_that_never_answers_does_not_keep_it_waiting(settings: Settings) -> None:
    settings.TUSHARE_TOKEN = "t" * 56
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.TUSHARE_BASE_URL = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        deaf.settimeout(0)
        answer = logged_in().get(PAGE)
        with pytest.raises(BlockingIOError):
            deaf.accept()
    assert answer.status_code == 200
    assert "t" * 56 not in answer.content.decode()


def test_it_asks_the_same_queries_for_any_number_of_cells() -> None:
    client = logged_in()

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        return len(queries)

    few = asked()
    for number in range(10, 25):
        LedgerFactory.create(cell=f"202001{number}")
    assert asked() <= few + 2


def test_it_is_in_the_menu() -> None:
    assert f'href="{PAGE}"' in logged_in().get("/admin/").content.decode()
