"""A worker's calls to its queue wait while the database is away, and for nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector

from scheduler_app import worker_connector
from scheduler_app.worker_connector import PatientConnector


def failing(*causes: Exception) -> Callable[..., object]:
    """A call of the connector below that fails so often, and then answers."""
    left = list(causes)

    async def call(*_args: object, **_kwargs: object) -> dict[str, int]:
        if left:
            raise ConnectorException from left.pop(0)
        return {"id": 7}

    return call


def ask(monkeypatch: pytest.MonkeyPatch, *causes: Exception) -> object:
    monkeypatch.setattr(worker_connector, "RETRY_SECONDS", 0)
    monkeypatch.setattr(PsycopgConnector, "execute_query_one_async", failing(*causes))
    return asyncio.run(PatientConnector().execute_query_one_async("SELECT 7"))


def test_it_asks_until_the_database_is_back_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = psycopg.OperationalError("the server closed the connection")
    with caplog.at_level(logging.WARNING):
        assert ask(monkeypatch, gone, gone, gone) == {"id": 7}
    assert [record.getMessage().split()[0].rstrip(":") for record in caplog.records] == [
        "action=database_away",
        "action=database_back",
    ]


def test_what_time_does_not_mend_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectorException):
        ask(monkeypatch, psycopg.errors.UndefinedTable("no such table"))
