"""The watchdog of `runscheduler`: a process whose loop is dead must not look alive."""

from __future__ import annotations

import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from unittest.mock import Mock, patch

import pytest
from django.core.management import call_command
from pytest_django import Settings

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


def run_until_asked(meanwhile: Callable[[], object] = lambda: None) -> Mock:
    """The command, asked to stop at its first look at its threads; what stopped the service."""

    def ask() -> bool:
        meanwhile()
        signal.raise_signal(signal.SIGTERM)
        return True

    lives = Watched("a thread", is_alive=ask, rounds=lambda: None, patience=1)
    with (
        patch.object(SchedulerService, "start"),
        patch.object(SchedulerService, "watched", return_value=[lives]),
        patch.object(SchedulerService, "stop") as stop,
    ):
        call_command("runscheduler")
    return stop


def test_it_stops_the_service_when_it_is_asked_to() -> None:
    run_until_asked().assert_called_once_with()


@pytest.mark.django_db(transaction=True)
def test_it_answers_prometheus_where_a_port_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.SCHEDULER_METRICS_PORT = free.getsockname()[1]
    told: list[str] = []

    def ask() -> None:
        address = f"http://127.0.0.1:{settings.SCHEDULER_METRICS_PORT}/metrics"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address) as answer:
            told.append(answer.read().decode())

    run_until_asked(ask)
    assert "stocksync_process_leads 0.0" in told[0]


def test_a_port_that_is_taken_costs_the_numbers_and_no_slot(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.SCHEDULER_METRICS_PORT = taken.getsockname()[1]
        run_until_asked().assert_called_once_with()
    assert "Address already in use" in caplog.text
