from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from tests.datasync_app.tushare.faulty_server import Behaviour, FaultyServer
from tests.datasync_app.tushare.virtual_clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def token() -> str:
    """As long as a real one."""
    return secrets.token_hex(28)


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultyServer]]:
    """Start servers that end with the test."""
    with ExitStack() as stack:

        def start(*behaviours: Behaviour) -> FaultyServer:
            return stack.enter_context(FaultyServer(*behaviours))

        yield start


@pytest.fixture
def connect(clock: VirtualClock, token: str) -> Iterator[Callable[..., TushareClient]]:
    """Clients whose waits pass on the virtual clock; `clock.slept` holds those of the backoff."""
    limiter_clock = clock
    with ExitStack() as stack:

        def make(url: str, *, max_calls: int = 100, call_timeout: float = 5.0) -> TushareClient:
            def pass_time(seconds: float) -> None:
                limiter_clock.now += seconds

            client = TushareClient(
                token,
                url,
                limiters=EndpointLimiters(max_calls, clock=clock, sleep=pass_time),
                clock=clock,
                sleep=clock.sleep,
                call_timeout=call_timeout,
            )
            stack.callback(client.close)
            return client

        yield make
