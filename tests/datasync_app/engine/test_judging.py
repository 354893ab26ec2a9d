"""What the database knows explains missing codes: suspensions, other numbers, closed exchanges."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.datasets.market import ADJ_FACTOR, BSE_MAPPING, DAILY, DAILY_BASIC, SUSPEND_D
from datasync_app.dates import SHANGHAI
from datasync_app.engine.checks import Reason
from datasync_app.engine.renumbering import (
    BEIJING_RENUMBERED,
    Change,
    Renumbering,
    learn_from_bse_mapping,
)
from datasync_app.engine.run import Engine, OwnGuard
from datasync_app.engine.universe import Listing, Universe
from datasync_app.models import BseMapping, CellState, CodeChange, SyncLedger
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

FRIDAY = dt.date(2020, 1, 10)
CHANGED = dt.date(2020, 1, 8)


class Clock:
    now = dt.datetime(2020, 1, 10, 17, 30, tzinfo=SHANGHAI)

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(sandbox: Sandbox, market: TinyMarket, clock: Clock) -> Iterator[Engine]:
    market.serve_everything()
    client = TushareClient("a-token", sandbox.url, sleep=lambda seconds: None)
    engine = Engine(client, guard=OwnGuard(), now=clock)
    engine.prepare(FRIDAY, FRIDAY)
    yield engine
    client.close()


def cell(dataset: str, key: str = "20200110") -> SyncLedger:
    return SyncLedger.objects.get(dataset=dataset, cell=key)


def calls(sandbox: Sandbox, name: str) -> int:
    return sum(api_name == name for api_name, _params in sandbox.requests)


def test_suspensions_that_come_late_close_a_day_without_a_call_for_its_bars(
    engine: Engine, sandbox: Sandbox, market: TinyMarket, clock: Clock
) -> None:
    market.suspended["20200110"] = set(market.codes[:3])
    report = engine.sync_dates(DAILY, FRIDAY, FRIDAY)
    # At half past five the bars are due and the suspensions are not.
    assert calls(sandbox, "suspend_d") == 0 and cell("daily").state == CellState.PARTIAL
    assert not report.is_good
    clock.now += dt.timedelta(minutes=40)
    engine.sync_dates(SUSPEND_D, FRIDAY, FRIDAY)
    assert calls(sandbox, "daily") == 1
    assert cell("daily").state == CellState.COMPLETE
    assert set(cell("daily").missing.values()) == {Reason.SUSPENDED}


def test_first_days_that_all_lack_the_same_codes_do_not_vouch_for_each_other(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    monday = dt.date(2020, 1, 6)
    week = [f"202001{day:02d}" for day in (6, 7, 8, 9, 10)]
    for date in week:
        market.lost[date] = set(market.codes[:3])
    clock.now += dt.timedelta(hours=1)
    assert len(engine.sync_dates(DAILY, monday, FRIDAY).open_cells) == 5
    for date in week:
        assert cell("daily", date).missing == dict.fromkeys(market.codes[:3], Reason.UNEXPLAINED)
    market.lost.clear()
    clock.now += dt.timedelta(minutes=40)
    assert engine.sync_dates(DAILY, monday, FRIDAY).is_good
    assert not SyncLedger.objects.filter(dataset="daily").exclude(missing={}).exists()


def test_part_of_a_day_is_no_suspension_and_a_resumption_subtracts_nothing(
    engine: Engine, market: TinyMarket, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    half, resumed = market.codes[:2]
    rows = [[half, "20200110", "09:30-10:00", "S"], [resumed, "20200110", None, "R"]]
    monkeypatch.setattr(market, "_suspensions", lambda params: rows)
    market.lost["20200110"] = {half, resumed}
    clock.now += dt.timedelta(hours=1)
    engine.sync_dates(DAILY, FRIDAY, FRIDAY)
    assert cell("daily").state == CellState.PARTIAL
    assert set(cell("daily").missing.values()) == {Reason.UNEXPLAINED}


def test_a_suspended_code_with_a_bar_is_no_error(
    engine: Engine, market: TinyMarket, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[market.codes[0], "20200110", None, "S"]]
    monkeypatch.setattr(market, "_suspensions", lambda params: rows)
    clock.now += dt.timedelta(hours=1)
    assert engine.sync_dates(DAILY, FRIDAY, FRIDAY).is_good
    assert cell("daily").missing == {}


def test_suspensions_of_a_day_that_stays_unexplained_are_read_again(
    engine: Engine, sandbox: Sandbox, market: TinyMarket, clock: Clock
) -> None:
    clock.now += dt.timedelta(hours=1)
    market.lost["20200110"] = {market.codes[0]}
    engine.sync_dates(DAILY, FRIDAY, FRIDAY)
    assert cell("suspend_d").state == CellState.EMPTY_CONFIRMED
    market.suspended["20200110"] = {market.codes[0]}
    clock.now += dt.timedelta(minutes=10)
    assert engine.sync_dates(DAILY, FRIDAY, FRIDAY).is_good
    assert calls(sandbox, "suspend_d") == 2
    assert cell("daily").missing == {market.codes[0]: Reason.SUSPENDED}


def test_suspensions_of_a_disputed_day_are_read_again_once(
    engine: Engine, sandbox: Sandbox, market: TinyMarket, clock: Clock
) -> None:
    clock.now += dt.timedelta(hours=3)
    lost = {market.codes[0]}
    for key in ("20200109", "20200110"):
        market.lost[key] = market.lost_of["daily_basic", key] = lost
    thursday = dt.date(2020, 1, 9)
    for _hour in range(2):  # two fetches agree on the first day, and it explains the second
        engine.sync_dates(DAILY, thursday, thursday)
        clock.now += dt.timedelta(hours=1)
    engine.sync_dates(ADJ_FACTOR, thursday, FRIDAY)
    engine.sync_dates(DAILY, thursday, FRIDAY)
    assert cell("daily").disputes == {market.codes[0]: ["adj_factor"]}
    before = calls(sandbox, "suspend_d")
    market.suspended["20200110"] = lost
    clock.now += dt.timedelta(hours=1)
    engine.sync_dates(DAILY, thursday, FRIDAY)
    assert cell("daily").disputes == {}
    # The day before was looked up when its own dispute came, and not again for this one.
    assert cell("daily", "20200109").disputes == {market.codes[0]: ["adj_factor"]}
    assert calls(sandbox, "suspend_d") == before + 1
    clock.now += dt.timedelta(hours=1)
    engine.sync_dates(DAILY, thursday, FRIDAY)
    assert calls(sandbox, "suspend_d") == before + 1


def test_a_renumbered_code_is_had_under_its_other_number(
    engine: Engine, market: TinyMarket
) -> None:
    old, new = "000022.SZ", market.codes[0]
    CodeChange.objects.filter(old_code=old).update(new_code=new, from_date=CHANGED)
    # The list has the new code from the beginning, and so early a day only the old one.
    early = "20200107"
    market.rows_of[early] = [market.bar(code, early) for code in [old, *market.codes[1:]]]
    report = engine.sync_dates(DAILY, dt.date(2020, 1, 7), dt.date(2020, 1, 7))
    assert report.is_good
    assert cell("daily", early).missing == {new: Reason.RENUMBERED}


def test_a_renumbered_code_that_came_under_neither_number_is_missing(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    old, new = "000022.SZ", market.codes[0]
    CodeChange.objects.filter(old_code=old).update(new_code=new, from_date=CHANGED)
    clock.now += dt.timedelta(hours=1)
    # The list has the new code alone. Monday has the old one, and Tuesday neither.
    market.rows_of["20200106"] = [market.bar(code, "20200106") for code in [old, *market.codes[1:]]]
    market.lost["20200107"] = {new}
    engine.sync_dates(DAILY, dt.date(2020, 1, 6), dt.date(2020, 1, 7))
    assert cell("daily", "20200106").state == CellState.COMPLETE
    assert cell("daily", "20200107").state == CellState.PARTIAL
    assert cell("daily", "20200107").missing == {new: Reason.UNEXPLAINED}


def test_a_suspension_under_the_old_number_explains_the_new_one(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    old, new = "000022.SZ", market.codes[0]
    CodeChange.objects.filter(old_code=old).update(new_code=new, from_date=CHANGED)
    clock.now += dt.timedelta(hours=1)
    market.lost["20200107"] = {new}
    market.suspended["20200107"] = {old}
    day = dt.date(2020, 1, 7)
    assert engine.sync_dates(DAILY, day, day).is_good
    assert cell("daily", "20200107").missing == {new: Reason.SUSPENDED}


def test_a_code_held_under_its_other_number_is_no_dispute(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    clock.now += dt.timedelta(hours=3)
    old, new = "000022.SZ", market.codes[0]
    CodeChange.objects.filter(old_code=old).update(new_code=new)
    rows = [market.bar(code, "20200110") for code in [old, *market.codes[1:]]]
    market.rows_of["20200110"] = rows
    engine.sync_dates(DAILY, FRIDAY, FRIDAY)
    engine.sync_dates(DAILY_BASIC, FRIDAY, FRIDAY)
    assert (cell("daily").disputes, cell("daily_basic").disputes) == ({}, {})


def test_beijing_before_its_first_day_has_a_reason(engine: Engine, market: TinyMarket) -> None:
    market.codes.append("830799.BJ")
    engine.refresh_stock_list(max_age=dt.timedelta(0))
    market.lost["20200109"] = {"830799.BJ"}
    engine.sync_dates(DAILY, dt.date(2020, 1, 9), dt.date(2020, 1, 9))
    assert cell("daily", "20200109").missing == {"830799.BJ": Reason.BEFORE_EXCHANGE}


def test_the_mapping_of_beijing_becomes_code_changes_once(
    engine: Engine, market: TinyMarket
) -> None:
    market.renumbered = [["某某股份", "830799.BJ", "920799.BJ", "20200727"]]
    assert all(report.is_good for report in engine.refresh_lists(BSE_MAPPING))
    change = CodeChange.objects.get(old_code="830799.BJ")
    assert (change.new_code, change.from_date) == ("920799.BJ", BEIJING_RENUMBERED)
    assert BseMapping.objects.count() == 1
    assert learn_from_bse_mapping() == 0


days = st.dates(dt.date(2020, 1, 1), dt.date(2020, 1, 31))


@given(days, days, st.booleans(), st.booleans())
def test_one_of_two_numbers_is_enough(
    date: dt.date, changed: dt.date, has_old: bool, has_new: bool
) -> None:
    known = Renumbering([Change("old", "new", changed)])
    received = frozenset(["old"] * has_old + ["new"] * has_new)
    lacking = frozenset({"old", "new"}) - received
    elsewhere = known.elsewhere(lacking, received, date)
    in_use = "new" if date >= changed else "old"
    if received:
        assert elsewhere == lacking
    else:
        assert elsewhere == {"old", "new"} - {in_use}


@given(days, st.lists(st.tuples(days, st.none() | days), max_size=20))
def test_a_code_is_listed_from_its_first_day_to_the_day_before_it_leaves(
    date: dt.date, listings: list[tuple[dt.date, dt.date | None]]
) -> None:
    universe = Universe(
        [
            Listing(f"{n:06d}.SZ", first, last, paused=False)
            for n, (first, last) in enumerate(listings)
        ]
    )
    assert universe.listed_on(date) == {
        f"{n:06d}.SZ"
        for n, (first, last) in enumerate(listings)
        if first <= date and (last is None or date < last)
    }
