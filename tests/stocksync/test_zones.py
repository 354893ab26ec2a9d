"""A moment is told with its time zone: on every page, in every answer of the API, by every command."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from tests.every_page import hold_rows, lists_and_forms, of_rows, of_schedules
from tests.page_text import MOMENT, texts_of, without_a_zone
from tests.scheduler_app.web import account

pytestmark = pytest.mark.django_db

ANSWERS = (
    "/api/scheduler/status", "/api/scheduler/jobs", "/api/scheduler/executions",
    "/api/scheduler/preview?cron_expression=0+18+*+*+*", "/api/notifications/channels",
    "/api/notifications/messages", "/api/sync/tasks", "/api/sync/cells", "/api/sync/failures",
    "/api/sync/restatements", "/api/sync/quarantine", "/api/sync/coverage",
    "/api/sync/report?start=20200106&end=20200110&dataset=daily", "/api/tushare/endpoints",
    "/api/tushare/accounts", "/api/tushare/calls", "/api/tokens", "/api/doctor",
    "/api/data/disclosure_date", "/api/stocks/600000.SH/bars",
)  # fmt: skip


@pytest.fixture
def client() -> Client:
    boss = account(superuser=True)
    hold_rows(boss)
    client = Client()
    client.force_login(boss)
    return client


# In Chinese, `test_chinese_pages.py` looks.
def test_a_page_tells_each_moment_with_its_zone(client: Client) -> None:
    found, moments = {}, 0
    for address in [*lists_and_forms(), *of_rows("change", "history"), *of_schedules()]:
        texts = texts_of(client.get(address).content.decode())
        moments += sum(bool(MOMENT.search(text)) for text in texts)
        found[address] = [moment for text in texts for moment in without_a_zone(text)]
    assert moments > 50
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def test_an_answer_of_the_api_tells_each_moment_with_its_offset(client: Client) -> None:
    found, moments = {}, 0
    for address in ANSWERS:
        answer = client.get(address)
        assert answer.status_code == 200, address
        told = list(strings(json.loads(answer.content)))
        moments += sum(bool(MOMENT.search(text)) for text in told)
        found[address] = [moment for text in told for moment in without_a_zone(text)]
    assert moments > 20
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    "command",
    [
        ["coverage"],
        ["coverage", "--json"],
        ["doctor"],
        ["report", "--start", "20200106", "--end", "20200110"],
        ["report", "--start", "20200106", "--end", "20200110", "--json"],
        ["create_token", "superuser"],
    ],
)
def test_a_command_tells_each_moment_with_its_zone(client: Client, command: list[str]) -> None:
    output = io.StringIO()
    try:
        call_command(*command, stdout=output)
    except SystemExit as ended:
        assert ended.code == 1  # what is held is not whole
    assert output.getvalue()
    assert without_a_zone(output.getvalue()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mon 2026-03-02 18:00 CST", []),
        ("2026-03-02T18:00:00+08:00 and 2026-03-02T10:00:00.5Z", []),
        ("Mon 2026-03-02 18:00", ["2026-03-02 18:00"]),
        ("Nov. 27, 2026, 10:36 a.m.", ["2026, 10:36 a.m."]),
        ("2026年3月2日 18:00", ["2026年3月2日 18:00"]),
        ("every day at 18:00", []),
    ],
)
def test_a_moment_without_its_zone_is_found(text: str, found: list[str]) -> None:
    assert without_a_zone(text) == found
