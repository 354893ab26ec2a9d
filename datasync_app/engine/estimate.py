"""What a plan costs: calls, and time at the current quota."""

from __future__ import annotations

import math
from dataclasses import dataclass

from datasync_app.datasets.base import Cell, Dataset, Expectation
from datasync_app.datasets.splits import ByCodes
from datasync_app.engine.plan import Plan
from datasync_app.engine.universe import Universe


@dataclass(frozen=True)
class Estimate:
    """`minutes` at `quota` calls a minute; the first minute's calls go out at once."""

    cells: int
    again: int
    calls: int
    quota: int

    @property
    def minutes(self) -> float:
        return max(self.calls - self.quota, 0) / self.quota


def estimate(plan: Plan, *, quota: int, universe: Universe | None) -> Estimate:
    """The figures of a plan. A day with more codes than one answer holds takes more than one call."""
    calls = sum(calls_of(plan.dataset, cell, universe) for cell in plan.calls)
    return Estimate(len(plan.todo), len(plan.again), calls, quota)


def calls_of(dataset: Dataset, cell: Cell, universe: Universe | None) -> int:
    """The calls of a cell: one, and where its answer is cut one for each part of the rest."""
    if dataset.expectation is not Expectation.LISTED_CODES or universe is None or not cell.date:
        return 1
    rest = len(universe.listed_on(cell.date)) - (dataset.row_cap or math.inf)
    if rest < 0 or not isinstance(dataset.split, ByCodes):
        return 1
    return 1 + max(math.ceil(rest / dataset.split.most), 1)
