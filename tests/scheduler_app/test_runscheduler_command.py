"""The watchdog of `runscheduler`: a process whose loop is dead must not look alive."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.core.management import call_command

from scheduler_app.management.commands.runscheduler import SIGNALS
from scheduler_app.service import SchedulerService


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_exits_non_zero_when_a_loop_has_died(caplog: pytest.LogCaptureFixture) -> None:
    with (
        patch.object(SchedulerService, "start"),
        patch.object(SchedulerService, "what_died", return_value="APScheduler's loop"),
        pytest.raises(SystemExit) as exit,
    ):
        call_command("runscheduler")
    assert exit.value.code == 1
    assert caplog.records[-1].levelname == "CRITICAL"
    assert "APScheduler's loop is dead" in caplog.text


def test_it_stops_the_service_when_it_is_asked_to() -> None:
    def ask(service: SchedulerService) -> str:
        signal.raise_signal(signal.SIGTERM)
        return ""

    with (
        patch.object(SchedulerService, "start"),
        patch.object(SchedulerService, "what_died", ask),
        patch.object(SchedulerService, "stop") as stop,
    ):
        call_command("runscheduler")
    stop.assert_called_once_with()
