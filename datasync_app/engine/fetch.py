"""Fetching ahead of writing: a few calls in flight, bounded, in the order they come back.

The threads that fetch also type and pack the rows, so that whoever writes them only writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.engine.rows import BadRows, TypedRows, typed_rows
from datasync_app.engine.truncation import whole_answer
from datasync_app.tushare.latency import MOST
from datasync_app.tushare.outcomes import Answer, AnswerKind, CallCancelled, TushareError

if TYPE_CHECKING:
    from datasync_app.tushare.client import TushareClient

TICK_SECONDS = 1.0
# So many fetched cells may wait for the writer before fewer calls are under way.
AHEAD = 2


@dataclass(frozen=True)
class Fetched:
    """A cell and what became of its call: an answer, or the typed failure.

    With `typing`, a whole answer has its `rows`, or what is wrong with them, instead of its items.
    """

    cell: Cell
    outcome: Answer | TushareError
    rows: TypedRows | BadRows | None = None


def fetch_cells(
    client: TushareClient,
    dataset: Dataset,
    cells: Sequence[Cell],
    *,
    cancelled: Callable[[], bool],
    tick: Callable[[], None],
    codes_of: Callable[[Cell], Sequence[str]] = lambda cell: (),
    typing: bool = True,
) -> Generator[Fetched, None, None]:
    """Fetch the cells, several at once, and give each as it arrives.

    So many calls are under way as hide the measured latency at the quota; more would only wait. The
    more cells wait to be taken, the fewer: where writing is slower, answers come one by one.
    `codes_of` names the codes a cell may hold, for answers that must be split by code.
    `tick` is called at least once a second, also while every call waits for quota; what it raises
    ends the iteration. Closing the iterator starts no further call; those in flight end with their
    client, or by their own deadline. Once `cancelled`, none is started either, and what those in
    flight bring is given.
    """

    def call(cell: Cell) -> Fetched | None:
        try:
            outcome = fetch_cell(client, dataset, cell, codes_of, cancelled=cancelled)
        except CallCancelled:
            return None  # it waited, and was never made
        return _typed(dataset, cell, outcome) if typing else Fetched(cell, outcome)

    waiting = iter(cells)
    pool = ThreadPoolExecutor(MOST, thread_name_prefix=f"fetch-{dataset.name}")
    try:
        flying: set[Future[Fetched | None]] = set()
        arrived: deque[Future[Fetched | None]] = deque()
        while True:
            room = client.calls_in_flight(dataset.name)
            while (
                not cancelled()
                and len(flying) < room
                and len(flying) + len(arrived) < room + AHEAD
                and (cell := next(waiting, None)) is not None
            ):
                # In a copy of this context: what a call logs belongs to the same run.
                flying.add(pool.submit(copy_context().run, call, cell))
            if not flying and not arrived:
                return
            # With something to give, only look what else has come.
            done, flying = wait(
                flying, timeout=0 if arrived else TICK_SECONDS, return_when=FIRST_COMPLETED
            )
            arrived.extend(done)
            tick()
            if arrived and (fetched := arrived.popleft().result()) is not None:
                yield fetched
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def fetch_cell(
    client: TushareClient,
    dataset: Dataset,
    cell: Cell,
    codes_of: Callable[[Cell], Sequence[str]],
    *,
    cancelled: Callable[[], bool],
) -> Answer | TushareError:
    """The whole answer for a cell. A failure comes back as a value, so that the loop decides on it."""

    def ask(params: Mapping[str, str]) -> Answer:
        expect = dict(dataset.cut.belongs(cell))
        if dataset.split is not None:
            expect |= dataset.split.belongs(params)
        return client.fetch(
            dataset.name,
            params,
            dataset.field_names,
            row_cap=dataset.row_cap,
            required=dataset.required_names,
            expect=expect,
            cancelled=cancelled,
        )

    try:
        return whole_answer(dataset, dataset.cut.params(cell), lambda: codes_of(cell), ask)
    except TushareError as failure:
        return failure


def _typed(dataset: Dataset, cell: Cell, outcome: Answer | TushareError) -> Fetched:
    """With the rows of a whole answer typed and packed; its items, five times as large, let go."""
    if isinstance(outcome, TushareError) or outcome.kind is AnswerKind.TRUNCATED:
        return Fetched(cell, outcome)
    try:
        rows = typed_rows(dataset, outcome.fields, outcome.items)
    except BadRows as bad:
        return Fetched(cell, outcome, bad)
    rows.prepare()
    return Fetched(cell, replace(outcome, items=[]), rows)
