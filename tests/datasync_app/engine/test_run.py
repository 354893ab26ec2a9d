"""Whole runs of the engine against a server that speaks Tushare's protocol."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction

from datasync_app.datasets import DAILY
from datasync_app.dates import SHANGHAI
from datasync_app.engine.plan import plan_dates
from datasync_app.engine.run import PREREQUISITES_LOCK, Engine, OwnGuard
from datasync_app.errors import SourceMismatch
from datasync_app.models import CellState, Daily, SourceIdentity, StockBasic, SyncLedger
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.circuit import Circuit
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.database import QuotaUnavailable
from datasync_app.tushare.limits import EndpointLimiters
from datasync_app.tushare.outcomes import Answer, RateLimited, RateUnit
from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter
from tests.datasync_app.tiny_market import TinyMarket
from tests.datasync_app.tushare.virtual_clock import VirtualClock

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI)
MONDAY, FRIDAY = dt.date(2020, 1, 6), dt.date(2020, 1, 10)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client_of(sandbox: Sandbox) -> TushareClient:
    return TushareClient("a-token", sandbox.url, sleep=lambda seconds: None)


@pytest.fixture
def engine(sandbox: Sandbox, clock: Clock) -> Engine:
    return Engine(client_of(sandbox), guard=OwnGuard(), now=clock)


def daily_calls(sandbox: Sandbox) -> list[str]:
    return [params["trade_date"] for name, params in sandbox.requests if name == "daily"]


def cell(date: str) -> SyncLedger:
    return SyncLedger.objects.get(dataset="daily", cell=date)


def sync(engine: Engine, start: dt.date = MONDAY, end: dt.date = FRIDAY):  # type: ignore[no-untyped-def]
    engine.prepare(start, end)
    return engine.sync_dates(DAILY, start, end)


def test_a_week_is_stored_whole_and_a_second_run_asks_for_nothing(
    engine: Engine, sandbox: Sandbox
) -> None:
    report = sync(engine)
    assert report.is_good and report.good == 5
    assert Daily.objects.count() == 150
    assert sorted(daily_calls(sandbox)) == [f"202001{day:02d}" for day in (6, 7, 8, 9, 10)]
    again = sync(engine)
    assert again.is_good and again.calls == 0
    assert len(daily_calls(sandbox)) == 5


def test_values_arrive_as_they_were_sent(engine: Engine) -> None:
    sync(engine)
    bar = Daily.objects.get(trade_date=FRIDAY, ts_code="600003.SH")
    assert (bar.close, bar.amount, bar.pct_chg, bar.ah_vol) == (10.0, 125.03, 1.0101, None)
    assert StockBasic.objects.get(ts_code="600003.SH").name == "股票600003"


def test_fifteen_lost_codes_are_named_and_the_cell_repairs_itself(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    sync(engine, MONDAY, dt.date(2020, 1, 9))
    market.lost["20200110"] = set(market.codes[:15])
    report = sync(engine)
    assert not report.is_good and list(report.open_cells) == ["20200110"]
    assert set(cell("20200110").missing) == set(market.codes[:15])
    assert cell("20200110").state == CellState.PARTIAL
    assert Daily.objects.filter(trade_date=FRIDAY).count() == 15
    market.lost.clear()
    clock.now += dt.timedelta(minutes=30)
    assert sync(engine).is_good
    assert Daily.objects.filter(trade_date=FRIDAY).count() == 30


def test_a_partial_day_closes_when_a_later_fetch_agrees(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    sync(engine, MONDAY, dt.date(2020, 1, 9))
    market.lost["20200110"] = set(market.codes[:15])
    sync(engine)
    clock.now += dt.timedelta(minutes=20)
    assert not sync(engine).is_good
    clock.now += dt.timedelta(minutes=20)
    assert sync(engine).is_good
    assert len(cell("20200110").missing) == 15


def test_an_empty_open_day_is_not_complete(engine: Engine, market: TinyMarket) -> None:
    market.rows_of["20200108"] = []
    report = sync(engine)
    assert cell("20200108").state == CellState.DUE
    assert "no rows of that day yet" in report.open_cells["20200108"]


def test_an_answer_that_became_empty_does_not_delete_what_is_held(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    market.lost["20200110"] = set(market.codes[:15])
    sync(engine)
    market.rows_of["20200110"] = []
    clock.now += dt.timedelta(hours=1)
    sync(engine)
    assert Daily.objects.filter(trade_date=FRIDAY).count() == 15
    assert cell("20200110").state == CellState.PARTIAL
    assert "now has no rows" in cell("20200110").last_error


def test_rows_of_another_date_are_refused(engine: Engine, market: TinyMarket) -> None:
    market.rows_of["20200108"] = [market.bar(code, "20200107") for code in market.codes]
    report = sync(engine)
    assert cell("20200108").state == CellState.FAILED
    assert list(report.open_cells) == ["20200108"]
    assert not Daily.objects.filter(trade_date=dt.date(2020, 1, 8)).exists()


def test_contradicting_rows_fail_the_cell_and_store_nothing(
    engine: Engine, market: TinyMarket
) -> None:
    twice = market.bar(market.codes[0], "20200108")
    market.rows_of["20200108"] = [twice, [*twice[:-1], 1.0]]
    sync(engine)
    assert "two different rows" in cell("20200108").last_error
    assert not Daily.objects.filter(trade_date=dt.date(2020, 1, 8)).exists()


def test_the_first_day_of_all_waits_for_a_neighbour_to_be_compared_with(
    engine: Engine, market: TinyMarket
) -> None:
    for date in ("20200109", "20200110"):
        market.lost[date] = set(market.codes[:2])
    assert not sync(engine, FRIDAY, FRIDAY).is_good
    assert sync(engine, dt.date(2020, 1, 9), FRIDAY).is_good


def test_a_cut_off_first_day_is_found_out_by_its_neighbours(
    engine: Engine, market: TinyMarket
) -> None:
    market.lost["20200110"] = set(market.codes[5:])
    report = sync(engine)
    assert list(report.open_cells) == ["20200110"]
    assert len(cell("20200110").missing) == 25


def test_an_outage_ends_the_run_and_marks_nothing_good(sandbox: Sandbox, clock: Clock) -> None:
    client = client_of(sandbox)
    engine = Engine(client, guard=OwnGuard(), now=clock)
    engine.prepare(dt.date(2019, 1, 1), FRIDAY)
    sandbox.stop()
    report = engine.sync_dates(DAILY, dt.date(2019, 1, 1), FRIDAY)
    assert "failed calls in a row" in report.stopped
    assert report.calls < 10 < len(report.open_cells)
    assert not SyncLedger.objects.filter(dataset="daily", state=CellState.COMPLETE).exists()


class RefusedFirst(TushareClient):
    """Two calls under way: Friday's is refused while Thursday's is still to be answered."""

    def __init__(self, url: str) -> None:
        super().__init__("a-token", url, sleep=lambda seconds: None)
        self.asked, self.refused = threading.Event(), threading.Event()

    def calls_in_flight(self, api_name: str) -> int:
        return 2

    def fetch(
        self, api_name: str, params: Mapping[str, object], *args: Any, **kwargs: Any
    ) -> Answer:
        if params.get("trade_date") == "20200110":
            self.asked.wait(5)
            self.refused.set()
            raise RateLimited("used up", unit=RateUnit.HOUR, reset_at=NOW, api_name=api_name)
        answer = super().fetch(api_name, params, *args, **kwargs)
        if api_name == "daily":
            self.asked.set()
            self.refused.wait(5)
            time.sleep(0.1)  # the refusal is taken in first
        return answer


def test_an_answer_under_way_when_another_call_is_refused_is_kept(
    sandbox: Sandbox, clock: Clock
) -> None:
    engine = Engine(RefusedFirst(sandbox.url), guard=OwnGuard(), now=clock)
    engine.prepare(MONDAY, FRIDAY)
    report = engine.sync_dates(DAILY, MONDAY, FRIDAY)
    assert report.parked_until is not None
    assert daily_calls(sandbox) == ["20200109"]
    assert Daily.objects.filter(trade_date=dt.date(2020, 1, 9)).count() == 30


def test_while_the_source_is_known_to_be_away_no_cell_fails(sandbox: Sandbox, clock: Clock) -> None:
    circuit = Circuit(failures=2)
    client = TushareClient("a-token", sandbox.url, sleep=lambda seconds: None, circuit=circuit)
    engine = Engine(client, guard=OwnGuard(), now=clock)
    engine.prepare(MONDAY, FRIDAY)
    before = len(sandbox.requests)
    circuit.failed("no answer")
    circuit.failed("no answer")
    report = engine.sync_dates(DAILY, MONDAY, FRIDAY)
    assert "the source is away" in report.stopped
    assert len(sandbox.requests) == before
    tried = SyncLedger.objects.filter(dataset="daily")
    assert {(entry.state, entry.attempts) for entry in tried} == {(CellState.DUE, 0)}


def test_while_the_calls_cannot_be_counted_the_run_is_parked_and_no_cell_fails(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = VirtualClock()
    client = TushareClient("a-token", sandbox.url, clock=ticks, sleep=ticks.sleep, now=clock)
    engine = Engine(client, guard=OwnGuard(), now=clock)
    engine.prepare(MONDAY, FRIDAY)
    before = len(sandbox.requests)

    def away(self: SlidingWindowRateLimiter, cancelled: object) -> None:
        raise QuotaUnavailable("the database is away")

    monkeypatch.setattr(SlidingWindowRateLimiter, "acquire_blocking", away)
    report = engine.sync_dates(DAILY, MONDAY, FRIDAY)
    assert "the database is away" in report.stopped
    assert report.parked_until == clock() + dt.timedelta(minutes=1)
    assert len(sandbox.requests) == before
    tried = SyncLedger.objects.filter(dataset="daily")
    assert {(entry.state, entry.attempts) for entry in tried} == {(CellState.DUE, 0)}


def test_a_run_is_parked_until_a_quota_by_the_hour_has_room_again(
    sandbox: Sandbox, clock: Clock
) -> None:
    limiters = EndpointLimiters(2, 3600, now=clock)
    client = TushareClient("a-token", sandbox.url, limiters=limiters, now=clock)
    report = Engine(client, guard=OwnGuard(), now=clock).refresh_stock_list()
    assert report.parked_until is not None
    assert dt.timedelta(minutes=59) < report.parked_until - clock() <= dt.timedelta(hours=1)
    # Both calls that had room are used, whatever those without are told meanwhile.
    assert len(report.good_cells) == 2
    assert not SyncLedger.objects.filter(state=CellState.FAILED).exists()


def test_a_token_that_may_call_daily_alone_fills_daily_and_nothing_is_red(
    market: TinyMarket, clock: Clock
) -> None:
    market.lost["20200108"] = set(market.codes[:2])
    with Sandbox(market, quota=0, points=120) as poor:
        engine = Engine(client_of(poor), guard=OwnGuard(), now=clock)
        prepared = engine.prepare(MONDAY, FRIDAY)
        days = engine.sync_dates(DAILY, MONDAY, FRIDAY)
        assert all("not available to this token" in report.denied for report in prepared)
        assert days.is_good and Daily.objects.count() == 148
        # A later run with more points fills everything else by itself.
        poor.points = 2000
        later = Engine(client_of(poor), guard=OwnGuard(), now=clock)
        assert all(report.is_good for report in later.prepare(MONDAY, FRIDAY))
    assert StockBasic.objects.count() == 30


def test_without_a_stock_list_a_cut_off_day_is_still_found_out(
    market: TinyMarket, clock: Clock
) -> None:
    market.lost["20200108"] = set(market.codes[:15])
    with Sandbox(market, quota=0, points=120) as poor:
        engine = Engine(client_of(poor), guard=OwnGuard(), now=clock)
        engine.prepare(MONDAY, FRIDAY)
        report = engine.sync_dates(DAILY, MONDAY, FRIDAY)
    assert list(report.open_cells) == ["20200108"]
    assert set(cell("20200108").missing) == set(market.codes[:15])


def test_a_denied_cell_stays_due(market: TinyMarket, clock: Clock) -> None:
    with Sandbox(market, quota=0, points=120) as poor:
        Engine(client_of(poor), guard=OwnGuard(), now=clock).prepare(MONDAY, FRIDAY)
    states = set(SyncLedger.objects.values_list("state", flat=True))
    assert states == {CellState.DUE}


def test_a_second_source_is_refused_before_anything_is_stored(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    sync(engine, MONDAY, dt.date(2020, 1, 9))
    with Sandbox(market, quota=0, identity=None) as tushare:
        other = Engine(client_of(tushare), guard=OwnGuard(), now=clock)
        with pytest.raises(SourceMismatch, match="holds the generated data of sandbox:tiny"):
            sync(other)
    assert not Daily.objects.filter(trade_date=FRIDAY).exists()
    assert SourceIdentity.objects.get().identity == "sandbox:tiny"


def test_a_database_of_tushare_refuses_generated_data(
    engine: Engine, market: TinyMarket, clock: Clock
) -> None:
    with Sandbox(market, quota=0, identity=None) as tushare:
        sync(Engine(client_of(tushare), guard=OwnGuard(), now=clock), MONDAY, MONDAY)
    with pytest.raises(SourceMismatch, match="holds data of Tushare"):
        sync(engine)
    assert SourceIdentity.objects.get().identity == "tushare"


class LostGuard(OwnGuard):
    """A run that is replaced after its third cell."""

    def __init__(self) -> None:
        self.cells = 0

    def fenced(self) -> AbstractContextManager[None]:
        self.cells += 1
        if self.cells > 3:
            raise RuntimeError("lost")
        return transaction.atomic()


def test_a_run_that_was_replaced_commits_no_further_cell(engine: Engine, sandbox: Sandbox) -> None:
    engine.prepare(MONDAY, FRIDAY)
    lost = Engine(client_of(sandbox), guard=LostGuard(), now=lambda: NOW)
    with pytest.raises(RuntimeError, match="lost"):
        lost.run(plan_dates(DAILY, MONDAY, FRIDAY, now=NOW))
    assert SyncLedger.objects.filter(dataset="daily").count() == 3
    assert Daily.objects.count() == 90


def test_a_day_cut_at_the_cap_is_fetched_by_lists_of_codes(
    engine: Engine, sandbox: Sandbox, market: TinyMarket
) -> None:
    engine.prepare(FRIDAY, FRIDAY)
    market.cap = 12
    capped = replace(DAILY, row_cap=12)
    report = engine.sync_dates(capped, FRIDAY, FRIDAY)
    assert Daily.objects.count() == 30
    assert report.rows == 30
    lists = [params.get("ts_code") for name, params in sandbox.requests if name == "daily"]
    assert [len(codes.split(",")) if codes else 0 for codes in lists] == [0, 18, 9, 9]


def test_a_day_that_stays_cut_is_truncated_and_stores_nothing(
    engine: Engine, market: TinyMarket
) -> None:
    engine.prepare(FRIDAY, FRIDAY)
    market.cap = 1
    report = engine.sync_dates(replace(DAILY, row_cap=1), FRIDAY, FRIDAY)
    assert cell("20200110").state == CellState.TRUNCATED
    assert "cut" in report.open_cells["20200110"]
    assert not Daily.objects.exists()


def test_days_after_a_gap_close_one_by_one_as_their_neighbours_do(
    market: TinyMarket, clock: Clock
) -> None:
    # Each day four more codes are suspended: few beside the day before, many beside the last good.
    market.codes = [f"{600000 + n}.SH" for n in range(80)]
    days = [dt.date(2019, 12, day) for day in (16, 17, 18, 19, 20, 23, 24, 25, 26, 27)]
    for number, day in enumerate(days):
        market.lost[f"{day:%Y%m%d}"] = set(market.codes[: 4 * number])
    with Sandbox(market, quota=0) as server:
        engine = Engine(client_of(server), guard=OwnGuard(), now=clock)
        assert sync(engine, days[0], days[0]).is_good
        report = sync(engine, days[0], days[-1])
    assert report.is_good, report.open_cells
    assert [params["trade_date"] for name, params in server.requests if name == "daily"].count(
        "20191227"
    ) == 1


def test_a_run_that_waits_for_another_stays_alive_and_can_be_cancelled(
    sandbox: Sandbox, clock: Clock
) -> None:
    other = connection.copy()
    waited: list[int] = []

    class Impatient(OwnGuard):
        def checkpoint(self) -> None:
            if len(waited) == 3:
                raise RuntimeError("cancelled")

    engine = Engine(
        client_of(sandbox), guard=Impatient(), now=clock, on_wait=lambda: waited.append(1)
    )
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PREREQUISITES_LOCK])
        with pytest.raises(RuntimeError, match="cancelled"):
            engine.refresh_stock_list()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [PREREQUISITES_LOCK])
    other.close()
    assert len(waited) == 3
    assert not sandbox.requests


def test_a_range_far_from_all_other_days_stands_on_its_own(
    engine: Engine, market: TinyMarket
) -> None:
    long_ago = dt.date(2015, 1, 5)
    assert sync(engine, long_ago, long_ago).is_good
    # Since then more codes have been suspended than are ever presumed at once.
    for day in (6, 7, 8, 9, 10):
        market.lost[f"202001{day:02d}"] = set(market.codes[:14])
    assert sync(engine).is_good
