"""The daily datasets kept up to date by their jobs, on a clock of the test's own."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from datasync_app import jobs
from datasync_app.datasets import DAILY_DATASETS
from datasync_app.dates import SHANGHAI
from datasync_app.engine import horizon, looks
from datasync_app.engine.looks import RECENT_DATES
from datasync_app.models import CellState, DailyBasic, SuspendD, SyncLedger
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.publication_plan import PublicationPlan
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from datasync_app.tushare.client import TushareClient
from scheduler_app.models import Cause, ExecutionLog, Status
from tests.datasync_app.runs import run
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

MONDAY = dt.date(2026, 3, 16)


def at(hour: int, minute: int = 0, day: dt.date = MONDAY) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), SHANGHAI)


class Clock:
    """One time for job, client and source; whoever sleeps moves it on."""

    def __init__(self) -> None:
        self.now = at(18)

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publication() -> PublicationPlan:
    return PublicationPlan()


def on_the_clock(sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> TushareClient:
    """Let the jobs run at the test's time against this source."""
    client = TushareClient(
        "a-token", sandbox.url, clock=clock.seconds, now=clock, sleep=clock.sleep
    )
    monkeypatch.setattr(jobs, "open_session", partial(open_session, client=client, now=clock))
    return client


@pytest.fixture
def generated(
    clock: Clock, publication: PublicationPlan, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    market = GeneratedMarket(1, clock, companies=60)
    with Sandbox(market, quota=0, clock=clock, publication=publication) as sandbox:
        client = on_the_clock(sandbox, clock, monkeypatch)
        yield sandbox
        client.close()


@pytest.fixture
def tiny(market: TinyMarket, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    market.serve_everything()
    with Sandbox(market, quota=0) as sandbox:
        client = on_the_clock(sandbox, clock, monkeypatch)
        yield sandbox
        client.close()


def keep_from(date: dt.date) -> None:
    """Fewer days than a first start would take."""
    for dataset in DAILY_DATASETS:
        horizon.move_earlier(dataset, date)


def next_follow_up(job_id: str = "sync_daily_by_date") -> dt.datetime | None:
    """The moment of the follow-up that waits, which is taken as the scheduler takes it."""
    waiting = ExecutionLog.objects.filter(
        job_id=job_id, status=Status.QUEUED, caused_by=Cause.FOLLOW_UP
    ).first()
    if waiting is None:
        return None
    ExecutionLog.objects.filter(pk=waiting.pk).update(status=Status.SUCCESS)
    return waiting.scheduled_for


def state(dataset: str, cell: str) -> str:
    return SyncLedger.objects.get(dataset=dataset, cell=cell).state


def calls_of(sandbox: Sandbox, name: str, date: str) -> int:
    return sum(
        api_name == name and params.get("trade_date") == date
        for api_name, params in sandbox.requests
    )


def test_late_indicators_come_by_follow_ups_alone(
    generated: Sandbox, clock: Clock, publication: PublicationPlan
) -> None:
    publication.script("daily_basic", "20260316", (dt.time(18, 40), 0.6), (dt.time(19, 20), 1.0))
    good_at: dict[str, dt.datetime] = {}
    moment: dt.datetime | None = at(18)
    while moment is not None and moment < at(21):
        clock.now = max(moment, clock.now)
        execution = run("sync_daily_by_date")
        assert execution.status == Status.SUCCESS, execution.error_message
        for dataset in ("daily", "daily_basic", "adj_factor", "suspend_d"):
            entry = SyncLedger.objects.filter(dataset=dataset, cell="20260316").first()
            if entry is not None and entry.state in {"complete", "empty_confirmed"}:
                good_at.setdefault(dataset, clock.now)
                if dataset == "daily_basic":
                    assert clock.now >= at(19, 20), "complete before it was whole"
        moment = next_follow_up()
    assert good_at["daily"] <= at(18, 10)
    assert good_at["daily_basic"] <= at(20)
    assert calls_of(generated, "daily_basic", "20260316") <= 12
    held = set(DailyBasic.objects.filter(trade_date=MONDAY).values_list("ts_code", flat=True))
    _fields, rows = generated.truth("daily_basic", trade_date="20260316")
    assert len(held) == len(rows) > 40


def test_fifteen_dropped_codes_are_named_and_repaired_by_a_follow_up(
    generated: Sandbox, clock: Clock, publication: PublicationPlan
) -> None:
    keep_from(dt.date(2026, 3, 12))
    run("sync_daily_by_date")
    next_follow_up()
    clock.now = at(18, day=MONDAY + dt.timedelta(days=1))
    publication.drop("daily", "20260317", 15)
    execution = run("sync_daily_by_date")
    entry = SyncLedger.objects.get(dataset="daily", cell="20260317")
    assert entry.state == CellState.PARTIAL
    assert set(publication.dropped("daily", "20260317")) <= entry.missing.keys()
    assert execution.result is not None and execution.result["daily"]["cells_awaited"] == 1
    moment = next_follow_up()
    assert moment is not None
    clock.now = moment
    run("sync_daily_by_date")
    assert state("daily", "20260317") == CellState.COMPLETE


def test_a_day_is_judged_after_its_suspensions(tiny: Sandbox, market: TinyMarket) -> None:
    keep_from(dt.date(2026, 3, 12))
    market.suspended["20260316"] = set(market.codes[:4])
    execution = run("sync_daily_by_date")
    assert execution.status == Status.SUCCESS, execution.error_message
    entry = SyncLedger.objects.get(dataset="daily", cell="20260316")
    assert entry.missing == dict.fromkeys(market.codes[:4], "suspended all day")
    assert not SyncLedger.objects.exclude(disputes={}).exists()
    factors = SyncLedger.objects.get(dataset="adj_factor", cell="20260316")
    assert (factors.state, factors.received_rows) == (CellState.COMPLETE, 30)


def test_a_resumption_that_the_first_list_lacked_comes_with_the_second(
    tiny: Sandbox, market: TinyMarket, clock: Clock
) -> None:
    keep_from(MONDAY)
    run("sync_daily_by_date")
    assert state("suspend_d", "20260316") == CellState.EMPTY_CONFIRMED
    market.resumed["20260316"] = {market.codes[3]}
    moment = next_follow_up()
    assert moment is not None and at(18, 30) <= moment < at(18, 31)
    clock.now = moment
    run("sync_daily_by_date")
    assert list(SuspendD.objects.values_list("ts_code", "suspend_type")) == [(market.codes[3], "R")]
    # A list is left alone when a second answer, half an hour later, has the same rows.
    moment = next_follow_up()
    assert moment is not None and at(19) <= moment < at(19, 1)
    clock.now = moment
    run("sync_daily_by_date")
    assert calls_of(tiny, "suspend_d", "20260316") == 3
    assert next_follow_up() is None


def test_every_daily_dataset_gets_its_first_days_and_a_horizon(tiny: Sandbox) -> None:
    assert run("sync_daily_by_date").status == Status.SUCCESS
    for dataset in DAILY_DATASETS:
        assert horizon.of(dataset) is not None, dataset.name
    good = SyncLedger.objects.filter(state__in=["complete", "empty_confirmed"])
    counts = Counter(good.values_list("dataset", flat=True))
    # Indicators of the day are due at seven.
    assert (counts["daily"], counts["daily_basic"], counts["index_daily"]) == (20, 20, 3)


def test_what_is_not_due_yet_gets_a_follow_up_at_its_hour(tiny: Sandbox, clock: Clock) -> None:
    keep_from(dt.date(2026, 3, 12))
    run("sync_daily_by_date")
    moment = next_follow_up()
    assert moment is not None and at(18, 30) <= moment < at(18, 31), "suspensions are read twice"
    clock.now = moment
    run("sync_daily_by_date")
    moment = next_follow_up()
    assert moment is not None and at(19) <= moment < at(19, 1)
    clock.now = moment
    run("sync_daily_by_date")
    assert state("daily_basic", "20260316") == CellState.COMPLETE
    assert next_follow_up() is None


def test_a_first_start_that_holds_all_that_is_due_leaves_the_rest_to_the_schedule(
    tiny: Sandbox, clock: Clock, market: TinyMarket
) -> None:
    keep_from(dt.date(2026, 3, 12))
    assert run("sync_daily_by_date", caused_by=Cause.FIRST_START).status == Status.SUCCESS
    assert next_follow_up() is None


def test_a_first_start_that_leaves_something_due_asks_for_a_follow_up(
    tiny: Sandbox, clock: Clock, market: TinyMarket
) -> None:
    keep_from(dt.date(2026, 3, 12))
    market.rows_of["20260316"] = []
    run("sync_daily_by_date", caused_by=Cause.FIRST_START)
    assert next_follow_up() is not None


def test_factors_of_the_morning_are_read_again_after_the_close(tiny: Sandbox, clock: Clock) -> None:
    keep_from(dt.date(2026, 3, 12))
    clock.now = at(10)
    run("sync_daily_by_date")
    assert state("adj_factor", "20260316") == CellState.COMPLETE
    assert calls_of(tiny, "adj_factor", "20260316") == 1
    clock.now = at(18)
    run("sync_daily_by_date")
    assert calls_of(tiny, "adj_factor", "20260316") == 2
    clock.now = at(18, 5)
    run("sync_daily_by_date")
    assert calls_of(tiny, "adj_factor", "20260316") == 2


def test_an_evening_reads_the_last_days_and_some_history_once_more(
    tiny: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "HISTORY_CELLS", 2)
    keep_from(dt.date(2026, 3, 5))
    run("sync_daily_by_date")
    before = len(tiny.requests)
    clock.now = at(18, day=MONDAY + dt.timedelta(days=1))
    execution = run("sync_daily_by_date")
    assert execution.result is not None
    assert execution.result["daily"]["cells_read_again"] == RECENT_DATES - 1 + 2
    asked = [params["trade_date"] for name, params in tiny.requests[before:] if name == "daily"]
    assert asked[0] == "20260317"
    assert set(asked[1:RECENT_DATES]) == {"20260316", "20260313", "20260312", "20260311"}
    again = len(tiny.requests)
    clock.now += dt.timedelta(minutes=30)
    run("sync_daily_by_date")
    assert not [name for name, _params in tiny.requests[again:] if name == "daily"]


def test_an_index_year_is_asked_for_again_when_a_day_is_out(tiny: Sandbox, clock: Clock) -> None:
    keep_from(dt.date(2026, 3, 12))
    run("sync_daily_by_date")
    clock.now = at(16, day=MONDAY + dt.timedelta(days=1))
    before = len(tiny.requests)
    run("sync_daily_by_date")
    assert "index_daily" not in {name for name, _params in tiny.requests[before:]}
    clock.now = at(18, day=MONDAY + dt.timedelta(days=1))
    run("sync_daily_by_date")
    asked = [params["ts_code"] for name, params in tiny.requests[before:] if name == "index_daily"]
    assert {"000001.SH", "399001.SZ", "000300.SH"} <= set(asked)


def test_denied_datasets_are_a_sentence_each_and_not_red(tiny: Sandbox, market: TinyMarket) -> None:
    keep_from(dt.date(2026, 3, 12))
    market.served -= {"adj_factor", "daily_basic", "suspend_d", "namechange"}
    market.lost["20260316"] = set(market.codes[:3])
    execution = run("sync_daily_by_date")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert execution.result is not None
    said = execution.result["not_available"]
    for name in ("adj_factor", "daily_basic", "suspend_d", "namechange"):
        assert sum(text.startswith(f"{name} is not available") for text in said) == 1
    missing = SyncLedger.objects.get(dataset="daily", cell="20260316").missing
    assert set(missing.values()) == {"presumed suspended"}


def test_a_code_that_only_a_sister_holds_is_a_dispute(tiny: Sandbox, market: TinyMarket) -> None:
    lost = market.codes[7]
    market.lost["20260313"] = {lost}
    execution = run("sync_daily_by_date", start="20260312", end="20260313")
    entry = SyncLedger.objects.get(dataset="daily", cell="20260313")
    assert entry.disputes == {lost: ["adj_factor", "daily_basic"]}
    assert entry.state == CellState.PARTIAL and execution.status == Status.FAILED
    others = SyncLedger.objects.filter(dataset__in=["adj_factor", "daily_basic"])
    assert not others.exclude(disputes={}).exists()


def test_a_dispute_ends_when_the_code_arrives(
    tiny: Sandbox, market: TinyMarket, clock: Clock
) -> None:
    market.lost["20260313"] = {market.codes[7]}
    run("sync_daily_by_date", start="20260312", end="20260313")
    market.lost.clear()
    clock.now += dt.timedelta(hours=1)
    run("sync_daily_by_date", start="20260312", end="20260313")
    entry = SyncLedger.objects.get(dataset="daily", cell="20260313")
    assert (entry.state, entry.disputes) == (CellState.COMPLETE, {})


def test_history_moves_every_horizon_and_asks_for_each_cell_once(
    tiny: Sandbox, clock: Clock
) -> None:
    execution = run("sync_daily_history", start="20260223")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert {horizon.of(dataset) for dataset in DAILY_DATASETS} == {dt.date(2026, 2, 23)}
    asked = Counter(
        (name, params.get("trade_date"), params.get("ts_code"))
        for name, params in tiny.requests
        if name not in {"trade_cal", "stock_basic"}
    )
    assert set(asked.values()) == {1}
    before = len(tiny.requests)
    moment = next_follow_up("sync_daily_history")
    assert moment is not None and at(18, 30) <= moment < at(18, 31)
    clock.now = moment
    run("sync_daily_history", start="20260223")
    once_more = Counter(name for name, params in tiny.requests[before:] if "trade_date" in params)
    assert once_more == {"suspend_d": 16}, "only the lists that nothing else confirms"
    assert next_follow_up("sync_daily_history") is None
