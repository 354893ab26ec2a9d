"""A worker's way to its queue, which outlasts the database: while that is away, it waits.

Without this the first call that finds no database would end the worker, and cut off its runs. A call
whose answer was lost is made again; a job that was fetched and never heard of is given to others
(`worker_queue.revive`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate import App
from procrastinate.connector import BaseAsyncConnector, Notify
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector

from scheduler_app.outage import Outage

T = TypeVar("T")

RETRY_SECONDS = 0.5
# The pool gives up soon, and is asked again: left alone it would look ever more rarely.
POOL_SECONDS = 5.0


class PatientConnector(PsycopgConnector):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(timeout=POOL_SECONDS, reconnect_timeout=POOL_SECONDS, **kwargs)
        self._outage = Outage()

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        await self._patiently(partial(super().execute_query_async, query, **arguments))

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        return await self._patiently(partial(super().execute_query_one_async, query, **arguments))

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        return await self._patiently(partial(super().execute_query_all_async, query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        await self._patiently(partial(super().listen_notify, on_notification, channels))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                answer = await ask()
            except ConnectorException as error:
                if not isinstance(error.__cause__, psycopg.OperationalError):
                    raise
                self._outage.note(error.__cause__)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._outage.over()
                return answer


class _Connector(DjangoConnector):
    def get_worker_connector(self) -> BaseAsyncConnector:
        return PatientConnector(kwargs=connector_params(self.alias))


def outlast(app: App) -> None:
    """Let the workers of the app outlast their database. Called by procrastinate, from the settings."""
    app.connector = app.job_manager.connector = _Connector()
