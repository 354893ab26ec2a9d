"""Endpoints side by side: a lane for each plan, at its own quota; what comes is accounted for by one.

Quotas belong to endpoints, so a plan that waits for its own keeps no other waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from contextvars import copy_context
from queue import Empty, Full, Queue
from types import TracebackType
from typing import TYPE_CHECKING

from datasync_app.datasets.base import Cell
from datasync_app.engine.fetch import TICK_SECONDS, Fetched, fetch_cells
from datasync_app.engine.plan import Plan
from datasync_app.tushare.outcomes import Denied, RateLimited, SourceAway, Uncounted

if TYPE_CHECKING:
    from datasync_app.tushare.client import TushareClient

# Answers that may wait here for each lane, besides those that its fetching keeps ahead.
AHEAD = 1
# What belongs to the endpoint or the source and not to the cell: asking on would be in vain.
ENDS_A_LANE = (Denied, RateLimited, SourceAway, Uncounted)


class _Stopped(Exception):
    """Nobody takes what a lane brings any more."""


class Lanes:
    """Iterates over (number of the plan, what was fetched), in the order of arrival.

    `tick` is called at least once a second in the thread that iterates; what it raises ends the
    iteration. However the block is left, waiting calls are told to end, and those in flight end with
    their client, or by their own deadline.
    """

    def __init__(
        self,
        client: TushareClient,
        plans: Sequence[Plan],
        *,
        tick: Callable[[], None],
        codes_of: Callable[[Cell], Sequence[str]],
        typing: bool = True,
    ) -> None:
        self._typing = typing
        self._client = client
        self._plans = plans
        self._tick = tick
        self._codes_of = codes_of
        self._arrived: Queue[tuple[int, Fetched | BaseException | None]] = Queue(AHEAD * len(plans))
        self._stopping = [threading.Event() for _plan in plans]
        self._left = threading.Event()

    def __enter__(self) -> Lanes:
        for at, plan in enumerate(self._plans):
            # In a copy of this context: what a lane logs belongs to the same run.
            threading.Thread(
                target=copy_context().run,
                args=(self._run, at, plan),
                name=f"lane-{plan.dataset.name}",
                daemon=True,
            ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        for stopping in self._stopping:
            stopping.set()

    def __iter__(self) -> Iterator[tuple[int, Fetched]]:
        running = len(self._plans)
        while running:
            try:
                at, arrived = self._arrived.get(timeout=TICK_SECONDS)
            except Empty:
                self._tick()
                continue
            self._tick()
            if arrived is None:
                running -= 1
            elif isinstance(arrived, BaseException):
                raise arrived
            else:
                yield at, arrived

    def stop(self, at: int) -> None:
        """Start no further call of one lane; what those under way bring has cost quota and is given."""
        self._stopping[at].set()

    def _run(self, at: int, plan: Plan) -> None:
        last: BaseException | None = None
        cells = fetch_cells(
            self._client,
            plan.dataset,
            plan.calls,
            cancelled=self._stopping[at].is_set,
            tick=self._check,
            codes_of=self._codes_of,
            typing=self._typing,
        )
        try:
            with closing(cells):
                for fetched in cells:
                    if isinstance(fetched.outcome, ENDS_A_LANE):
                        self.stop(at)
                    self._hand_over(at, fetched)
                    self._check()
        except _Stopped:
            pass  # its end is told like any other
        except BaseException as error:
            last = error
        self._hand_over(at, last)

    def _check(self) -> None:
        if self._left.is_set():
            raise _Stopped

    def _hand_over(self, at: int, arrived: Fetched | BaseException | None) -> None:
        """Put it down for whoever iterates, unless nobody does any more."""
        while not self._left.is_set():
            try:
                self._arrived.put((at, arrived), timeout=TICK_SECONDS)
                return
            except Full:
                continue
