"""How far each dataset is good, and how much of it is open: what people look at first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from datasync_app.datasets import DATASETS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# One look at the ledger. Late: nothing is there yet; missing: fetched, and not whole.
_FRESHNESS = """
    SELECT dataset,
        max(cell_date) FILTER (WHERE good), max(fetched_at) FILTER (WHERE good),
        count(*) FILTER (WHERE good),
        count(*) FILTER (WHERE NOT good AND state = 'due' AND received_rows = 0),
        count(*) FILTER (WHERE NOT good AND NOT (state = 'due' AND received_rows = 0))
    FROM (
        SELECT *, state IN ('complete', 'empty_confirmed') AS good FROM sync_ledger
    ) AS cells
    GROUP BY dataset
"""


@dataclass(frozen=True)
class Freshness:
    """What the ledger holds of a dataset; `until` is its newest good day, where it has days."""

    dataset: str
    title: StrOrPromise
    until: dt.date | None
    fetched_at: dt.datetime | None
    good: int
    late: int
    missing: int


def freshness() -> list[Freshness]:
    """Every dataset that the ledger has cells of, in the order of their declaration. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_FRESHNESS)
        rows = {name: values for name, *values in cursor.fetchall()}
    return [
        Freshness(name, dataset.title, *rows[name])
        for name, dataset in DATASETS.items()
        if name in rows
    ]
