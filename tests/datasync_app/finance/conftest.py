"""A source of reports on loopback, and an engine with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from datasync_app.engine.run import Engine, OwnGuard
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from tests.datasync_app.finance.tiny_reports import Clock, TinyReports


@pytest.fixture
def market() -> TinyReports:
    return TinyReports()


@pytest.fixture
def clock() -> Clock:
    return Clock("20240426 00:10")


@pytest.fixture
def sandbox(market: TinyReports) -> Iterator[Sandbox]:
    with Sandbox(market, quota=0) as server:
        yield server


@pytest.fixture
def engine(sandbox: Sandbox, clock: Clock) -> Engine:
    return engine_of(sandbox, clock)


def engine_of(sandbox: Sandbox, clock: Clock) -> Engine:
    limiters = EndpointLimiters(100_000, now=clock)
    client = TushareClient(
        "a-token", sandbox.url, sleep=lambda seconds: None, now=clock, limiters=limiters
    )
    return Engine(client, guard=OwnGuard(), now=clock)
