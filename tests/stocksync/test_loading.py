"""What a process loads before it does anything: each start of it takes that time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import processes

LOADING = """
import sys, django
django.setup()
import scheduler_app.management.commands.runscheduler
print(*sys.modules)
import stocksync.wsgi
print(*sys.modules)
"""
PAGES = {"stocksync.urls", "scheduler_app.admin", "datasync_app.admin", "scheduler_app.api.base"}


@pytest.fixture(scope="module")
def loaded() -> tuple[set[str], set[str]]:
    """By a scheduler, and by the web after it."""
    said = subprocess.run(
        [sys.executable, "-c", LOADING],
        cwd=processes.REPOSITORY,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "stocksync.settings"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    scheduler, web = said.splitlines()
    return set(scheduler.split()), set(web.split())


def test_a_scheduler_starts_without_the_pages(loaded: tuple[set[str], set[str]]) -> None:
    assert "scheduler_app.service" in loaded[0]
    assert not loaded[0] & PAGES


def test_a_scheduler_starts_without_what_only_its_runs_need(
    loaded: tuple[set[str], set[str]],
) -> None:
    assert "datasync_app.jobs" in loaded[0]
    assert not {name for name in loaded[0] if name.startswith("datasync_app.engine.run")}
    assert not loaded[0] & {"numpy", "pyarrow", "apprise", "rest_framework.views"}


def test_the_web_has_every_page_before_the_first_request(
    loaded: tuple[set[str], set[str]],
) -> None:
    assert loaded[1] >= PAGES


def test_who_makes_no_call_does_without_the_sdk_and_the_libraries_that_it_brings(
    loaded: tuple[set[str], set[str]],
) -> None:
    assert not {"tushare", "pandas"} & loaded[1]
