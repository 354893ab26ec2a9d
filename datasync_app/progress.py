"""Progress of a foreground sync: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Protocol

from tqdm import tqdm

from datasync_app.datasets.base import Cell
from datasync_app.engine.report import DatasetReport
from datasync_app.models import SyncTask
from datasync_app.session import Watcher, watcher


class Output(Protocol):
    def write(self, msg: str) -> object: ...

    def isatty(self) -> bool: ...


class Progress:
    """Shows the cells of the sessions that are opened inside: done, of how many, rows, calls, quota.

    Meanwhile the console shows warnings only: the engine's own lines would tear the bar apart.
    `quota_of` gives the calls a minute that a dataset's endpoint may make.
    """

    def __init__(self, output: Output, name: str, quota_of: Callable[[str], int]) -> None:
        self._output = output
        self._name = name
        self._quota_of = quota_of
        self._bar: tqdm | None = None
        self._token: Token[Watcher | None] | None = None
        self._levels: dict[logging.Handler, int] = {}

    def __enter__(self) -> Progress:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                self._levels[handler] = handler.level
                handler.setLevel(max(handler.level, logging.WARNING))
        self._token = watcher.set(self._show)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            watcher.reset(self._token)
        if self._bar is not None:
            self._bar.close()
        for handler, level in self._levels.items():
            handler.setLevel(level)

    def _show(self, report: DatasetReport, cell: Cell, task: SyncTask) -> None:
        if self._output.isatty():
            self._move_bar(report, task)
            return
        why = report.open_cells.get(cell.key)
        said = f"not good ({why})" if why else f"{report.rows_of_last_cell} rows"
        self._output.write(
            f"{task.current_offset}/{task.expected_cells} {report.dataset} {cell.key}: {said}"
        )

    def _move_bar(self, report: DatasetReport, task: SyncTask) -> None:
        if self._bar is None:
            self._bar = tqdm(unit="cell", desc=self._name)
        self._bar.total = task.expected_cells
        self._bar.n = task.current_offset
        quota = f"{self._quota_of(report.dataset)}/min"
        self._bar.set_postfix(rows=task.total_processed, calls=report.calls, quota=quota)
