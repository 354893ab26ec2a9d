"""Fetching ahead: bounded, awake, and over as soon as nobody wants it any more."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import pytest

from datasync_app.datasets import DAILY
from datasync_app.datasets.base import Cell
from datasync_app.engine.fetch import fetch_cells
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.outcomes import Answer
from scheduler_app.capture import LogLines, current_execution
from tests.datasync_app.tiny_market import TinyMarket

CELLS = [Cell(f"202001{day:02d}", dt.date(2020, 1, day)) for day in range(1, 21)]


class CountingClient(TushareClient):
    """Counts calls under way, and holds them until `gate` opens."""

    def __init__(self, url: str, room: int) -> None:
        super().__init__("a-token", url, sleep=lambda seconds: None)
        self.room, self.now, self.most = room, 0, 0
        self.gate = threading.Event()
        self._count = threading.Lock()

    def calls_in_flight(self, api_name: str) -> int:
        return self.room

    def fetch(self, *args: object, **kwargs: object) -> Answer:
        with self._count:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(10)
        try:
            return super().fetch(*args, **kwargs)  # type: ignore[arg-type]
        finally:
            with self._count:
                self.now -= 1


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TinyMarket(), quota=0) as server:
        yield server


def test_so_many_calls_are_under_way_as_the_client_says(sandbox: Sandbox) -> None:
    client = CountingClient(sandbox.url, room=3)
    threading.Timer(0.2, client.gate.set).start()
    fetched = fetch_cells(client, DAILY, CELLS, cancelled=lambda: False, tick=lambda: None)
    assert {each.cell for each in fetched} == set(CELLS)
    assert client.most == 3


def test_calls_log_for_the_run_that_makes_them(sandbox: Sandbox) -> None:
    class Asked(CountingClient):
        def fetch(self, *args: object, **kwargs: object) -> Answer:
            runs.append(current_execution())
            return super().fetch(*args, **kwargs)

    runs: list[int | None] = []
    client = Asked(sandbox.url, room=2)
    client.gate.set()
    lines = LogLines(7)
    lines.begin()
    try:
        list(fetch_cells(client, DAILY, CELLS[:3], cancelled=lambda: False, tick=lambda: None))
    finally:
        lines.end()
    assert runs == [7, 7, 7]


def test_a_tick_that_raises_ends_it_and_starts_no_further_call(sandbox: Sandbox) -> None:
    client = CountingClient(sandbox.url, room=2)
    client.gate.set()

    def stop() -> None:
        raise KeyboardInterrupt

    fetched = fetch_cells(client, DAILY, CELLS, cancelled=lambda: False, tick=stop)
    with pytest.raises(KeyboardInterrupt):
        list(fetched)
    assert len(sandbox.requests) <= 2


def test_closing_it_starts_no_further_call(sandbox: Sandbox) -> None:
    client = CountingClient(sandbox.url, room=2)
    client.gate.set()
    fetched = fetch_cells(client, DAILY, CELLS, cancelled=lambda: False, tick=lambda: None)
    next(fetched)
    fetched.close()
    assert len(sandbox.requests) <= 4


def test_a_failed_call_comes_back_as_a_value_beside_its_cell(sandbox: Sandbox) -> None:
    client = CountingClient(sandbox.url, room=2)
    client.gate.set()
    sandbox.stop()
    fetched = fetch_cells(client, DAILY, CELLS[:1], cancelled=lambda: False, tick=lambda: None)
    (only,) = fetched
    assert only.cell == CELLS[0]
    assert not isinstance(only.outcome, Answer)
