"""Errors of the market data app. The message is the sentence a person reads."""

from __future__ import annotations

import datetime as dt
from typing import Any


class DatasyncError(Exception):
    """Root of everything this app raises on purpose."""


class UnknownDataset(DatasyncError):
    """A dataset was named that is not declared."""


class BadCursor(DatasyncError):
    """A page was asked for after something that is no row's key."""


class SourceMismatch(DatasyncError):
    """The answer comes from another source than the one this database belongs to."""


class CalendarUnknown(DatasyncError):
    """The exchange calendar needed to plan is not held."""


class LedgerRefused(DatasyncError):
    """A person asked for something that this cell of the ledger does not allow."""


class TaskAlreadyRunning(DatasyncError):
    """A live task of this job type exists; it is in `task`."""

    def __init__(self, message: str, task: Any) -> None:
        super().__init__(message)
        self.task = task


class TaskLost(DatasyncError):
    """The task is no longer RUNNING: somebody else closed it, so this run must stop."""


class ShardLost(DatasyncError):
    """Another engine works on the shard now, or its task is over; nothing was committed."""


class TaskStopped(DatasyncError):
    """A person asked for the end of the task; it ends between two cells, which `paused` tells."""

    def __init__(self, message: str, *, paused: bool) -> None:
        super().__init__(message)
        self.paused = paused


class TaskRefused(DatasyncError):
    """What was asked of the task does not fit its state."""


class SyncIncomplete(DatasyncError):
    """The run ended with cells that are not good; `result` says what was done all the same."""

    def __init__(self, message: str, result: dict[str, object]) -> None:
        super().__init__(message)
        self.result = result


class Parked(DatasyncError):
    """The run ended early, because there is nothing to do until `until`; the next run goes on."""

    def __init__(self, message: str, until: dt.datetime, result: dict[str, object]) -> None:
        super().__init__(message)
        self.until = until
        self.result = result


class NotEnoughDisk(DatasyncError):
    """A history would fill the disk; the message says how much it takes and how much is free."""

    # For the scheduler: to try again would change nothing.
    retriable = False


class ExportRefused(DatasyncError):
    """Nothing was exported: what was asked for cannot be proved, or cannot be written there."""
