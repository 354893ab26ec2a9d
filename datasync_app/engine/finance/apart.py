"""Rows of reports that break a rule, kept apart under the cell of their report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np

from datasync_app.datasets.base import Cell
from datasync_app.datasets.finance import BY_COMPANY_PERIOD, FINA_INDICATOR
from datasync_app.engine import quarantine
from datasync_app.engine.quarantine import Broken
from datasync_app.engine.rows import TypedRows
from datasync_app.models import SyncQuarantine


def keep_apart(
    good: TypedRows, broken: Broken, settled: Collection[str], *, now: dt.datetime
) -> set[str]:
    """Record broken rows cell by cell, and close the entries of cells that good rows came for.

    `settled` are the cells that the answer settles. Gives the cells that have broken rows.
    """
    broken_cells = _cells(broken.rows)
    good_cells = _cells(good)
    on_record = set(
        SyncQuarantine.objects.filter(dataset=FINA_INDICATOR.name, resolved_at=None).values_list(
            "cell", flat=True
        )
    )
    for key in sorted({*broken_cells, *(on_record & set(settled))}):
        of_it = np.array([cell == key for cell in broken_cells], dtype=np.bool_)
        rules = tuple(rules for rules, mine in zip(broken.rules, of_it, strict=True) if mine)
        mine = np.array([cell == key for cell in good_cells], dtype=np.bool_)
        quarantine.record(
            FINA_INDICATOR,
            Cell(key),
            Broken(broken.rows.only(of_it), rules),
            good.only(mine),
            now=now,
        )
    return set(broken_cells)


def _cells(rows: TypedRows) -> list[str]:
    return [
        BY_COMPANY_PERIOD.of(str(code), period).key
        for code, period in zip(rows.column("ts_code"), rows.column("end_date"), strict=True)
        if isinstance(period, dt.date)
    ]
