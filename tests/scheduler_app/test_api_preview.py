"""When a schedule would fire, asked before it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from scheduler_app.models import JobConfig
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

PREVIEW = "/api/scheduler/preview"


@pytest.fixture
def client() -> Client:
    return logged_in()


def preview(client: Client, **fields: str) -> Any:
    answer = client.get(PREVIEW, fields)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_it_gives_the_next_six_runs_and_stores_nothing(client: Client) -> None:
    before = list(JobConfig.objects.values())
    answer = preview(client, cron_expression="30 9 * * *", timezone="Asia/Kolkata")
    assert len(answer["next_runs"]) == 6
    assert all(run.endswith("T09:30:00+05:30") for run in answer["next_runs"])
    assert answer["schedule_error"] == ""
    assert list(JobConfig.objects.values()) == before


def test_it_gives_the_runs_of_an_interval(client: Client) -> None:
    answer = preview(client, trigger="interval", interval_seconds="3600", cron_expression="")
    assert len(answer["next_runs"]) == 6
    assert all(run.endswith(":00:00+08:00") for run in answer["next_runs"])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"cron_expression": "0 0 31 2 *"}, "never fires"),
        ({"cron_expression": "0 18 * *"}, "has 4 fields"),
        ({"cron_expression": "\0"}, "."),
        ({"cron_expression": "0 18 * * *", "timezone": "Mars/Base"}, "Mars/Base"),
        ({"trigger": "interval", "interval_seconds": ""}, "whole number of seconds"),
        ({"trigger": "interval", "interval_seconds": "0"}, "whole number of seconds"),
        ({"trigger": "interval", "interval_seconds": "9" * 5000}, "whole number of seconds"),
        ({"trigger": "interval", "interval_seconds": "٣"}, "whole number of seconds"),
        ({}, "."),
    ],
)
def test_a_schedule_that_cannot_fire_is_told_in_a_sentence(
    client: Client, fields: dict[str, str], sentence: str
) -> None:
    answer = preview(client, **fields)
    assert answer["next_runs"] == []
    assert sentence in answer["schedule_error"]


@pytest.mark.parametrize(
    ("fields", "field"), [({"cron": "0 18 * * *"}, "cron"), ({"trigger": "never"}, "trigger")]
)
def test_a_question_that_makes_no_sense_is_refused(
    client: Client, fields: dict[str, str], field: str
) -> None:
    answer = client.get(PREVIEW, fields)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
