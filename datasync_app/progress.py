"""Progress of a foreground sync: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Protocol

from tqdm import tqdm

from datasync_app.datasets.base import Cell
from datasync_app.engine.plan import Plan
from datasync_app.engine.report import DatasetReport


class Output(Protocol):
    def write(self, msg: str) -> object: ...

    def isatty(self) -> bool: ...


class Progress:
    """Counts the cells of one dataset; what other datasets need on the way is not counted.

    Meanwhile the console shows warnings only: the engine's own lines would tear the bar apart.
    """

    def __init__(self, output: Output, dataset: str) -> None:
        self._output = output
        self._dataset = dataset
        self._bar: tqdm | None = None
        self._total = 0
        self._done = 0
        self._levels: dict[logging.Handler, int] = {}

    def __enter__(self) -> Progress:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                self._levels[handler] = handler.level
                handler.setLevel(max(handler.level, logging.WARNING))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        for handler, level in self._levels.items():
            handler.setLevel(level)

    def expect(self, plan: Plan) -> None:
        self._total = len(plan.todo)
        if self._output.isatty() and self._total:
            self._bar = tqdm(total=self._total, unit="cell", desc=self._dataset)

    def show(self, report: DatasetReport, cell: Cell) -> None:
        if report.dataset != self._dataset:
            return
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix(rows=report.rows, calls=report.calls)
        else:
            why = report.open_cells.get(cell.key)
            said = f"not good ({why})" if why else f"{report.rows_of_last_cell} rows"
            self._output.write(
                f"{self._done}/{self._total or '?'} {self._dataset} {cell.key}: {said}"
            )
