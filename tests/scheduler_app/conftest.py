"""A registry of its own for every test, with a few jobs in it."""

from __future__ import annotations

import datetime as dt

import pytest

from scheduler_app.registry import JobRegistry
from scheduler_app.run import Run


@pytest.fixture
def jobs() -> JobRegistry:
    registry = JobRegistry()

    @registry.register("copy_files", name="Copy files", default_cron="0 18 * * *")
    def copy_files(
        run: Run, start: dt.date | None = None, count: int = 1, names: list[str] | None = None
    ) -> dict[str, object]:
        """Copies files.

        A second paragraph.
        """
        return {"count": count}

    @registry.register("needs_much", name="Needs much", not_built="the rest")
    def needs_much(run: Run, *, json: str) -> None:
        """Needs an argument whose name a model would shadow."""

    @registry.register("fails", name="Fails")
    def fails(run: Run) -> None:
        """Fails."""
        raise RuntimeError("the disk is full")

    return registry
