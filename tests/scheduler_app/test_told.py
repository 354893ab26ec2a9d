"""What is stored of a run in English is told in the reader's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from scheduler_app import own_process, policies, run
from scheduler_app.backlog import Backlog, plan
from scheduler_app.calendars import CalendarRegistry, RunDay
from scheduler_app.errors import RunTimedOut
from scheduler_app.policies import Open
from scheduler_app.told import FORMS, told
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.processes import REPOSITORY

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
PLACE = re.compile(r"%(?:\(\w+\))?[sd]")


@pytest.fixture
def in_chinese() -> Iterator[None]:
    with translation.override("zh-hans"):
        yield


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_known_by_what_stands_in_it(form: str, in_chinese: None) -> None:
    numbers = iter(range(71, 99))
    stored = PLACE.sub(lambda place: str(next(numbers)), form)
    said = told(stored)
    assert said != stored
    assert sorted(re.findall("[0-9]+", said)) == sorted(re.findall("[0-9]+", stored))
    with translation.override("en"):
        assert told(stored) == stored


def literals() -> list[str]:
    """Every text in the code that writes reasons; what stands between the places of an f-string apart."""
    apps = (REPOSITORY / "scheduler_app", REPOSITORY / "datasync_app")
    files = [file for app in apps for file in app.rglob("*.py") if file.name != "told.py"]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_each_form_is_written_somewhere_in_these_words() -> None:
    written = literals()
    for form in FORMS:
        # A moment gets its zone from `policies.utc`.
        for words in PLACE.split(form.replace(" UTC", "")):
            assert any(words.strip(" :") in text for text in written), f"{form}: {words}"


def of_a_pause_by_a_person() -> str:
    until = NOW + timedelta(hours=1)
    paused = {
        "paused_at": NOW,
        "paused_until": until,
        "paused_by": "ann",
        "paused_reason": "moving",
    }
    return policies.paused(JobConfigFactory.build(**paused), NOW)


def of_a_pause_by_itself() -> str:
    paused = {"paused_by": "StockSync", "paused_reason": "it failed 3 times in a row"}
    return policies.paused(JobConfigFactory.build(paused_at=NOW, **paused), NOW)


def of_a_late_start() -> str:
    late = NOW - timedelta(hours=1)
    return policies.too_late(JobConfigFactory.build(start_deadline_seconds=60), late, NOW)


def of_a_day_off() -> str:
    calendars = CalendarRegistry()
    calendars.register("never", "trading days only", lambda day: False)
    return calendars.on("never", date(2026, 3, 2)).why


def of_many_missed_slots() -> str:
    slots = [NOW - timedelta(minutes=minute) for minute in range(500, 0, -1)]
    decided = plan(
        Backlog.of(slots),
        NOW,
        timedelta(0),
        JobConfigFactory.build(misfire_policy="skip"),
        lambda slot: None,
        "no scheduler was running",
    )
    return decided.left_out[-1].reason


def of_a_process_that_was_killed() -> str:
    return own_process._verdict(-9, None)[1]


def of_a_process_that_had_to_be_killed() -> str:
    return own_process._verdict(-9, RunTimedOut("it ran longer than its time limit of 5 s"))[1]


def of_a_run_that_is_stopped() -> str:
    return run.STOPPED


def of_an_overlap() -> str:
    verdict = policies.judge_slot(
        JobConfigFactory.build(), NOW, NOW, RunDay(NOW.date()), Open(running=7)
    )
    return verdict.reason


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (of_a_pause_by_a_person, ("ann", "moving", "2026-03-02 11:00:00 UTC")),
        (of_a_pause_by_itself, ("StockSync", "3")),
        (of_a_late_start, ("60",)),
        (of_a_day_off, ("2026-03-02", "仅交易日")),
        (of_many_missed_slots, ("500", "没有调度器")),
        (of_a_process_that_was_killed, ("9",)),
        (of_a_process_that_had_to_be_killed, ("5",)),
        (of_a_run_that_is_stopped, ("调度器",)),
        (of_an_overlap, ("7",)),
    ],
)
def test_what_is_written_where_it_happens_is_known(
    reason: Callable[[], str], words: tuple[str, ...]
) -> None:
    with translation.override("en"):
        stored = reason()
    with translation.override("zh-hans"):
        said = told(stored)
    own = {"ann", "moving", "UTC", "StockSync"}
    assert set(re.findall("[A-Za-z]{2,}", said)) <= own
    assert all(word in said for word in words), said


def test_what_others_say_stays_as_it_is(in_chinese: None) -> None:
    for said in ("", "KeyError: 'close'", "Tushare refused daily: 抱歉", "x" * 10_000):
        assert told(said) == said


@given(st.text(max_size=300))
def test_no_text_stops_a_page(text: str) -> None:
    with translation.override("en"):
        assert told(text) == text
        assert told(f"paused by {text}") == f"paused by {text}"


@pytest.mark.django_db
def test_the_pages_tell_it(client: Client) -> None:
    admin = User.objects.create_superuser("admin")
    client.force_login(admin)
    execution = ExecutionLogFactory(status="MISSED", error_message="no scheduler was running")
    for page in (
        reverse("admin:scheduler_app_executionlog_changelist"),
        reverse("admin:scheduler_app_executionlog_change", args=[execution.pk]),
        reverse("admin:index"),
    ):
        said = client.get(page, headers={"accept-language": "zh-hans"}).content.decode()
        assert "没有调度器在运行" in said, page
        assert "no scheduler was running" not in said, page
