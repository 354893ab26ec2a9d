"""What a plan costs in calls, time and disk, before anything is fetched."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from datasync_app.datasets.base import Cell
from datasync_app.datasets.market import DAILY, DAILY_BASIC, INDEX_DAILY
from datasync_app.engine.disk import GIGABYTE, bytes_of, refuse_without_room
from datasync_app.engine.estimate import estimate
from datasync_app.engine.frontier import Frontier
from datasync_app.engine.plan import Plan
from datasync_app.engine.universe import Listing, Universe
from datasync_app.errors import NotEnoughDisk

DAYS = tuple(
    Cell(f"{date:%Y%m%d}", date)
    for date in (dt.date(2026, 3, 16) - dt.timedelta(days=n) for n in range(300))
)


def market(codes: int) -> Universe:
    first = dt.date(2000, 1, 4)
    return Universe([Listing(f"{n:06d}.SZ", first, None, paused=False) for n in range(codes)])


def test_a_day_below_the_cap_is_one_call() -> None:
    costs = estimate(Plan(DAILY, DAYS, ()), quota=195, universe=market(5400))
    assert (costs.cells, costs.calls) == (300, 300)
    assert costs.minutes == pytest.approx(105 / 195)


def test_days_above_the_cap_take_a_call_for_each_part_of_the_rest() -> None:
    plan = Plan(DAILY, DAYS[:10], (), again=DAYS[10:12])
    assert estimate(plan, quota=195, universe=market(6150)).calls == 12 * 3
    assert estimate(plan, quota=195, universe=market(6000)).calls == 12 * 2
    by_code = Plan(DAILY_BASIC, DAYS[:1], ())
    assert estimate(by_code, quota=195, universe=market(6003)).calls == 4


def test_within_the_quota_of_a_minute_it_takes_no_time() -> None:
    assert estimate(Plan(DAILY, DAYS[:100], ()), quota=195, universe=None).minutes == 0


def test_a_history_that_would_fill_the_disk_is_refused_with_figures() -> None:
    plans = [Plan(DAILY, DAYS, ()), Plan(INDEX_DAILY, (Cell("000001.SH:2026"),), ())]
    needed = bytes_of(plans, market(5400))
    assert 0.2 * GIGABYTE < needed < 0.6 * GIGABYTE
    folder = Path("/data")
    refuse_without_room(plans, market(5400), free=needed + 2 * GIGABYTE, folder=folder)
    with pytest.raises(NotEnoughDisk, match=r"about 0\.\d GB .*/data has 1\.0 GB free"):
        refuse_without_room(plans, market(5400), free=GIGABYTE, folder=folder)


def test_nothing_to_fetch_needs_no_room() -> None:
    refuse_without_room([Plan(DAILY, (), DAYS)], None, free=0, folder=Path("/data"))


def test_a_frontier_waits_for_the_cell_that_is_still_open() -> None:
    frontier = Frontier(DAYS[:4])
    assert frontier.date is None
    frontier.note(DAYS[1])
    frontier.note(DAYS[2])
    assert frontier.date is None
    frontier.note(DAYS[0])
    assert frontier.date == DAYS[2].date
    frontier.note(DAYS[3])
    assert frontier.date == DAYS[3].date
