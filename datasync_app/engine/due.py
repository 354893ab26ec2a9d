"""When the source should have a trade date. Pure functions of a declaration and a clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from datasync_app.datasets.base import Dataset
from datasync_app.dates import SHANGHAI


def due_times(dataset: Dataset, date: dt.date) -> tuple[dt.datetime, ...]:
    """The moments at which that trade date is published, the first one first.

    Raises:
        ValueError: the dataset is not published by trade date.
    """
    if not dataset.due:
        raise ValueError(f"{dataset.name} is not published by trade date")
    return tuple(dt.datetime.combine(date, time, SHANGHAI) for time in dataset.due)


def is_due(dataset: Dataset, date: dt.date, now: dt.datetime) -> bool:
    """Has the hour passed from which the source should have that trade date?"""
    return now >= due_times(dataset, date)[0]


def last_due(dataset: Dataset, date: dt.date, now: dt.datetime) -> dt.datetime | None:
    """The latest of the moments that have passed: what was fetched before it is read again."""
    return max((at for at in due_times(dataset, date) if at <= now), default=None)


def next_due(dataset: Dataset, dates: Iterable[dt.date], now: dt.datetime) -> dt.datetime | None:
    """The earliest of the moments that lie ahead, among these trade dates."""
    moments = (at for date in dates for at in due_times(dataset, date))
    return min((at for at in moments if at > now), default=None)
