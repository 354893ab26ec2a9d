"""The watchdog of `runscheduler`: a process whose loop is dead must not look alive."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.core.management import call_command

from scheduler_app.management.commands.runscheduler import SIGNALS
from scheduler_app.service import SchedulerService
from scheduler_app.watchdog import Watched


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_ends_the_process_when_a_thread_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    dead = Watched("APScheduler's loop", is_alive=lambda: False, rounds=lambda: 1, patience=1)
    with (
        patch.object(SchedulerService, "start"),
        patch.object(SchedulerService, "watched", return_value=[dead]),
        patch("os._exit", side_effect=SystemExit) as exit,
        pytest.raises(SystemExit),
    ):
        call_command("runscheduler")
    exit.assert_called_once_with(1)
    assert caplog.records[-1].levelname == "CRITICAL"
    assert "APScheduler's loop is dead" in caplog.text


def test_it_stops_the_service_when_it_is_asked_to() -> None:
    def ask() -> bool:
        signal.raise_signal(signal.SIGTERM)
        return True

    lives = Watched("a thread", is_alive=ask, rounds=lambda: None, patience=1)
    with (
        patch.object(SchedulerService, "start"),
        patch.object(SchedulerService, "watched", return_value=[lives]),
        patch.object(SchedulerService, "stop") as stop,
    ):
        call_command("runscheduler")
    stop.assert_called_once_with()
