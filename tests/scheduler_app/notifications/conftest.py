"""A receiver on loopback for every test that wants one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhook import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.serving() as server:
        yield server
