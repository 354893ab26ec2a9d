"""The line that every program of ours writes."""

from __future__ import annotations

import json
import logging
import logging.config
import re
from typing import Any

from django.conf import settings

from scheduler_app.capture import LogLines
from stocksync.logs import RunJson, RunLine


def record(error: BaseException | None = None) -> logging.LogRecord:
    what = (type(error), error, None) if error else None
    return logging.LogRecord("who", logging.WARNING, "", 0, "action=%s", ("try",), what)


def test_a_line_of_a_run_carries_its_execution() -> None:
    lines = LogLines(41)
    lines.begin()
    try:
        inside = RunLine().format(record())
    finally:
        lines.end()
    outside = RunLine().format(record())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d .{8} \+\d{4} WARNING who: action=try run=41", inside)
    assert outside.endswith("WARNING who: action=try")


def test_the_run_stands_before_a_traceback() -> None:
    lines = LogLines(41)
    lines.begin()
    try:
        first, *_rest, last = RunLine().format(record(ValueError("broken"))).splitlines()
    finally:
        lines.end()
    assert first.endswith("action=try run=41")
    assert last == "ValueError: broken"


def test_a_json_line_says_the_same_to_a_machine() -> None:
    what = "action=load job_id=%s slot=%s: no such job, a=b"
    said = logging.LogRecord("who", logging.ERROR, "", 0, what, ("gone", "2026-03-02"), None)
    lines = LogLines(41)
    lines.begin()
    try:
        inside = json.loads(RunJson().format(said))
    finally:
        lines.end()
    outside = json.loads(RunJson().format(record(ValueError("broken"))))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d .{8} \+\d{4}", inside.pop("time"))
    assert inside == {
        "level": "ERROR",
        "logger": "who",
        "message": "action=load job_id=gone slot=2026-03-02: no such job, a=b",
        "fields": {"action": "load", "job_id": "gone", "slot": "2026-03-02", "a": "b"},
        "run": 41,
    }
    assert "run" not in outside
    assert outside["exc_info"] == "ValueError: broken"


def test_the_settings_write_such_lines() -> None:
    formatters: Any = settings.LOGGING["formatters"]
    made = logging.config.DictConfigurator({}).configure_formatter(dict(formatters["line"]))
    assert isinstance(made, RunLine)
