"""A source on loopback for tests of whole jobs and commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.tiny_market import TinyMarket


@pytest.fixture
def market() -> TinyMarket:
    return TinyMarket()


@pytest.fixture
def sandbox(market: TinyMarket) -> Iterator[Sandbox]:
    with Sandbox(market, quota=0) as server:
        yield server


@pytest.fixture
def source(sandbox: Sandbox, settings: Settings) -> Sandbox:
    """The sandbox, and the settings that point to it."""
    settings.TUSHARE_TOKEN = ""
    settings.TUSHARE_BASE_URL = sandbox.url
    return sandbox
