"""Fetching ahead of writing: a few calls in flight, bounded, in the order they come back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.engine.truncation import whole_answer
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.latency import MOST
from datasync_app.tushare.outcomes import Answer, TushareError

TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Fetched:
    """A cell and what became of its call: an answer, or the typed failure."""

    cell: Cell
    outcome: Answer | TushareError


def fetch_cells(
    client: TushareClient,
    dataset: Dataset,
    cells: Sequence[Cell],
    *,
    cancelled: Callable[[], bool],
    tick: Callable[[], None],
    codes_of: Callable[[Cell], Sequence[str]] = lambda cell: (),
) -> Generator[Fetched, None, None]:
    """Fetch the cells, several at once, and give each as it arrives.

    So many calls are under way as hide the measured latency at the quota; more would only wait.
    `codes_of` names the codes a cell may hold, for answers that must be split by code.
    `tick` is called at least once a second, also while every call waits for quota; what it raises
    ends the iteration. Closing the iterator starts no further call; those in flight end by their
    own deadline.
    """

    def call(cell: Cell) -> Fetched:
        codes = codes_of(cell)
        return Fetched(cell, fetch_cell(client, dataset, cell, codes, cancelled=cancelled))

    waiting = iter(cells)
    pool = ThreadPoolExecutor(MOST, thread_name_prefix=f"fetch-{dataset.name}")
    try:
        flying: set[Future[Fetched]] = set()
        while True:
            room = client.calls_in_flight(dataset.name)
            while len(flying) < room and (cell := next(waiting, None)) is not None:
                flying.add(pool.submit(call, cell))
            if not flying:
                return
            done, flying = wait(flying, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            tick()
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def fetch_cell(
    client: TushareClient,
    dataset: Dataset,
    cell: Cell,
    codes: Sequence[str],
    *,
    cancelled: Callable[[], bool],
) -> Answer | TushareError:
    """The whole answer for a cell. A failure comes back as a value, so that the loop decides on it."""

    def ask(params: Mapping[str, str]) -> Answer:
        return client.fetch(
            dataset.name,
            params,
            dataset.field_names,
            row_cap=dataset.row_cap,
            required=dataset.required_names,
            expect=dataset.cut.belongs(cell),
            cancelled=cancelled,
        )

    try:
        return whole_answer(dataset, dataset.cut.params(cell), codes, ask)
    except TushareError as failure:
        return failure
