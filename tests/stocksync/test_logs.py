"""The line that every program of ours writes."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from scheduler_app.capture import LogLines
from stocksync.logs import Console, RunJson, RunLine


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


class SlowStream(io.StringIO):
    """Writes only once it is let, as a terminal or a full pipe does."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.let = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.writing.set()
        assert self.let.wait(10)
        return super().write(text)


@pytest.fixture
def slow_console() -> Iterator[tuple[logging.Logger, SlowStream]]:
    stream = SlowStream()
    console = Console()
    console.setStream(stream)
    logger = logging.Logger("slow")
    logger.addHandler(console)
    yield logger, stream
    stream.let.set()


def test_a_slow_stream_keeps_only_the_thread_that_writes(
    slow_console: tuple[logging.Logger, SlowStream],
) -> None:
    logger, stream = slow_console
    writer = threading.Thread(target=logger.info, args=["first"])
    writer.start()
    assert stream.writing.wait(10)
    logger.info("second")
    logger.info("third")
    stream.let.set()
    writer.join(10)
    assert stream.getvalue() == "first\nsecond\nthird\n"


def test_no_line_of_many_threads_is_lost_or_torn(
    slow_console: tuple[logging.Logger, SlowStream],
) -> None:
    logger, stream = slow_console
    stream.let.set()

    def say(name: int) -> None:
        for number in range(200):
            logger.info("thread %s line %s", name, number)

    threads = [threading.Thread(target=say, args=[name]) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    lines = stream.getvalue().splitlines()
    assert sorted(lines) == sorted(f"thread {a} line {b}" for a in range(8) for b in range(200))
    for name in range(8):
        own = [line for line in lines if line.startswith(f"thread {name} ")]
        assert own == [f"thread {name} line {number}" for number in range(200)]
