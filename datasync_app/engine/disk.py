"""Is there room for a history? Asked before it is fetched, not when the disk is full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.utils.translation import gettext as _

from datasync_app.datasets.base import Dataset, Expectation, Kind
from datasync_app.engine.plan import Plan
from datasync_app.engine.universe import Universe
from datasync_app.errors import NotEnoughDisk

GIGABYTE = 10**9
# A row's header, its place in two indexes, and their share of half-filled pages.
_AROUND_A_ROW = 24 + 4 + 2 * 56
_BYTES = {Kind.TEXT: 16, Kind.CODE: 10, Kind.DATE: 4, Kind.NUMBER: 8, Kind.FLAG: 2}
# The log that PostgreSQL writes ahead, and room to go on working.
_RESERVE = 2 * GIGABYTE
# Where there is no list of stocks yet.
_USUAL_MARKET = 5500


def refuse_without_room(
    plans: Sequence[Plan], universe: Universe | None, *, free: int, folder: Path
) -> None:
    """Compare what the plans will store with the bytes that are free where the database lies.

    Raises:
        NotEnoughDisk: there is not enough; nothing was fetched.
    """
    needed = bytes_of(plans, universe)
    if needed and free < needed + _RESERVE:
        raise NotEnoughDisk(
            _(
                "This history takes about %(needed).1f GB and %(reserve).0f GB to work in, and "
                "%(folder)s has %(free).1f GB free. Nothing was fetched: make room, or give a "
                "later start."
            )
            % {
                "needed": needed / GIGABYTE,
                "reserve": _RESERVE / GIGABYTE,
                "folder": folder,
                "free": free / GIGABYTE,
            }
        )


def bytes_of(plans: Sequence[Plan], universe: Universe | None) -> int:
    """The bytes that the cells to fetch will take, tables and indexes together."""
    return sum(_rows_of(plan, universe) * row_bytes(plan.dataset) for plan in plans)


def row_bytes(dataset: Dataset) -> int:
    return _AROUND_A_ROW + sum(_BYTES[field.kind] for field in dataset.fields)


def _rows_of(plan: Plan, universe: Universe | None) -> int:
    if plan.dataset.expectation is not Expectation.LISTED_CODES:
        return 0  # little beside the others
    dates = [cell.date for cell in plan.todo if cell.date]
    if universe is None or not dates:
        return _USUAL_MARKET * len(plan.todo)
    # The market grows steadily: its size on a few of the dates tells enough.
    sampled = dates[:: max(len(dates) // 20, 1)]
    mean = sum(len(universe.listed_on(date)) for date in sampled) / len(sampled)
    return round(mean * len(dates))
