"""The lines of a run: whose they are, and which are kept."""

from __future__ import annotations

import logging
import threading
from contextvars import copy_context

import pytest

from scheduler_app.capture import LogLines, current_execution
from scheduler_app.models import ExecutionLog
from scheduler_app.tracker import ExecutionTracker

logger = logging.getLogger(__name__)


def test_outside_of_a_run_a_line_belongs_to_none() -> None:
    assert current_execution() is None


def test_a_run_within_a_run_is_its_own() -> None:
    outer, inner = LogLines(1), LogLines(2)
    seen = []
    for lines in (outer, inner):
        lines.begin()
        seen.append(current_execution())
    for lines in (inner, outer):
        lines.end()
        seen.append(current_execution())
    assert seen == [1, 2, 1, None]


def test_a_thread_with_a_copy_of_the_context_logs_for_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines, seen = LogLines(7), []

    def work() -> None:
        logger.warning("from a thread")
        seen.append(current_execution())

    lines.begin()
    threads = [
        threading.Thread(target=copy_context().run, args=[work]),
        threading.Thread(target=work),
    ]
    for thread in threads:
        thread.start()
        thread.join()
    lines.end()
    assert seen == [7, None]
    assert lines.text.count("from a thread") == 1


@pytest.mark.django_db
def test_a_tracker_that_opens_its_own_record_names_it() -> None:
    with ExecutionTracker("one"):
        assert current_execution() == ExecutionLog.objects.get(job_id="one").pk
    assert current_execution() is None
