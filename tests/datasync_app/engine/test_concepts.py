"""Concepts over HTTP: which source is taken, and what becomes of lists that change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import pytest
from django.db import connection
from pytest_django import Settings

from datasync_app.datasets import get_dataset
from datasync_app.engine.concepts import ConceptSync, candidates, second_look
from datasync_app.engine.coverage import Coverage, cover
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import OwnGuard
from datasync_app.models import CellState, ConceptDetail, SyncLedger, ThsIndex, ThsMember
from datasync_app.protocol import Rows
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from scheduler_app.models import Status
from tests.datasync_app.clock import Clock
from tests.datasync_app.runs import run
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

FIELDS = {
    "ths_index": ("ts_code", "name", "count", "exchange", "list_date", "type"),
    "ths_member": ("ts_code", "con_code", "con_name"),
    "dc_index": ("ts_code", "trade_date", "name"),
    "dc_member": ("trade_date", "ts_code", "con_code", "name"),
    "concept": ("code", "name", "src"),
    "concept_detail": ("id", "concept_name", "ts_code", "name"),
}
FIRST, LATER = dt.date(2020, 1, 10), dt.date(2020, 1, 13)


class ConceptMarket(TinyMarket):
    """Its concepts are a mapping that a test bends: (id, name) -> codes."""

    def __init__(self) -> None:
        super().__init__()
        self.concepts: dict[tuple[str, str], list[str]] = {
            ("885001.TI", "Robots"): ["600000.SH", "600001.SH"],
            ("885002.TI", "Batteries"): ["600002.SH"],
        }
        self.broken: set[str] = set()

    def serves(self, api_name: str) -> bool:
        return api_name in FIELDS or super().serves(api_name)

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return FIELDS.get(api_name) or super().default_fields(api_name)

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        if api_name not in FIELDS:
            return super().rows(api_name, params)
        day = params.get("trade_date")
        items: Rows = []
        for (concept, name), codes in self.concepts.items():
            listed: dict[str, list[object]] = {
                "ths_index": [concept, name, len(codes), "A", "20150101", "N"],
                "dc_index": [concept, day, name],
                "concept": [concept, name, "ts"],
            }
            if api_name in listed:
                items.append(listed[api_name])
            elif concept in (params.get("ts_code"), params.get("id")):
                items += [self._member(api_name, concept, name, day, code) for code in codes]
        return FIELDS[api_name], items

    def _member(
        self, api_name: str, concept: str, name: str, day: str | None, code: str
    ) -> list[object]:
        shown = concept if concept not in self.broken else "885999.TI"
        rows: dict[str, list[object]] = {
            "ths_member": [shown, code, f"stock {code}"],
            "dc_member": [day, shown, code, f"stock {code}"],
            "concept_detail": [shown, name, code, f"stock {code}"],
        }
        return rows[api_name]


@pytest.fixture
def market() -> ConceptMarket:
    return ConceptMarket()


@pytest.fixture
def clock() -> Clock:
    return Clock(dt.datetime(2020, 1, 10, 10, 30, tzinfo=dt.UTC))


def sync(clock: Clock, source: str = "ths") -> tuple[DatasetReport, DatasetReport]:
    (taken,) = candidates(source)
    with open_session("sync", OwnGuard(), now=clock) as session:
        work = ConceptSync(session.engine, taken, None, session.guard.fenced, clock)
        return work.listed(), work.members()


def asof(day: dt.date) -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT concept_name, ts_code FROM concept_asof(%s)", [day])
        return set(cursor.fetchall())


def now_held() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT concept_name, ts_code FROM concept_now")
        return set(cursor.fetchall())


BOTH = {("Robots", "600000.SH"), ("Robots", "600001.SH"), ("Batteries", "600002.SH")}


@pytest.fixture
def source(market: ConceptMarket, settings: Settings) -> Iterator[Sandbox]:
    with Sandbox(market, quota=0, points=6000) as server:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", server.url
        yield server


def test_it_holds_the_list_and_the_constituents_from_the_day_of_the_fetch(
    source: Sandbox, clock: Clock
) -> None:
    listed, members = sync(clock)
    assert (listed.is_good, members.is_good, members.rows) == (True, True, 3)
    assert now_held() == asof(FIRST) == BOTH
    assert asof(FIRST - dt.timedelta(days=1)) == set()


def test_what_is_fresh_is_not_asked_for_again(source: Sandbox, clock: Clock) -> None:
    sync(clock)
    calls = source.served.copy()
    clock.sleep(11 * 3600)
    sync(clock)
    assert source.served == calls
    clock.sleep(3600)
    sync(clock)
    assert source.served["ths_member"] == 2 * calls["ths_member"]


def test_a_constituent_that_comes_holds_from_that_day(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    sync(clock)
    market.concepts["885002.TI", "Batteries"].append("600003.SH")
    clock.sleep(3 * 86400)
    sync(clock)
    assert now_held() == asof(LATER) == BOTH | {("Batteries", "600003.SH")}
    assert asof(FIRST) == BOTH


def test_a_constituent_that_goes_is_believed_when_a_second_answer_agrees(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    sync(clock)
    market.concepts["885001.TI", "Robots"].remove("600001.SH")
    clock.sleep(3 * 86400)
    sync(clock)
    assert now_held() == BOTH
    entry = SyncLedger.objects.get(dataset="ths_member", cell="885001.TI")
    assert (entry.state, entry.doubt is not None) == (CellState.COMPLETE, True)
    (ths,) = candidates("ths")
    again = second_look(ths)
    assert again == entry.next_attempt_at
    assert again is not None and again >= clock() + dt.timedelta(minutes=30)
    clock.sleep(31 * 60)
    _, members = sync(clock)
    assert members.calls == 1, "only the doubted concept is asked for again"
    assert asof(LATER) == now_held() == BOTH - {("Robots", "600001.SH")}
    assert asof(FIRST) == BOTH
    assert second_look(ths) is None


def test_an_answer_without_rows_closes_nothing(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    sync(clock)
    market.concepts["885001.TI", "Robots"].clear()
    for _ in range(3):
        clock.sleep(86400)
        sync(clock)
    assert now_held() == BOTH


def test_a_concept_without_constituents_is_no_failure_and_believed_when_a_second_answer_agrees(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    (ths,) = candidates("ths")
    market.concepts["885003.TI", "Hype"] = []
    _, members = sync(clock)
    assert members.is_good and members.awaited.keys() == {"885003.TI"}
    assert second_look(ths) == clock() + dt.timedelta(minutes=30)
    clock.sleep(31 * 60)
    _, members = sync(clock)
    assert (members.calls, second_look(ths)) == (1, None)
    hype = SyncLedger.objects.get(dataset="ths_member", cell="885003.TI")
    assert (hype.state, hype.next_attempt_at) == (CellState.EMPTY_CONFIRMED, None)
    market.concepts["885003.TI", "Hype"] = ["600003.SH"]
    clock.sleep(86400)
    sync(clock)
    assert now_held() == BOTH | {("Hype", "600003.SH")}


def test_an_id_that_is_reused_is_another_concept(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    sync(clock)
    del market.concepts["885001.TI", "Robots"]
    market.concepts["885001.TI", "Rockets"] = ["600000.SH", "600009.SH"]
    clock.sleep(3 * 86400)
    sync(clock)
    clock.sleep(31 * 60)
    sync(clock)
    rockets = {("Rockets", "600000.SH"), ("Rockets", "600009.SH"), ("Batteries", "600002.SH")}
    assert asof(LATER) == now_held() == rockets
    assert asof(FIRST) == BOTH
    names = ThsIndex.objects.filter(ts_code="885001.TI").values_list("name", "valid_to")
    assert set(names) == {("Robots", LATER), ("Rockets", None)}


def test_a_concept_that_goes_takes_its_constituents_with_it(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    sync(clock)
    del market.concepts["885002.TI", "Batteries"]
    clock.sleep(3 * 86400)
    sync(clock)
    clock.sleep(31 * 60)
    sync(clock)
    assert not ThsMember.objects.filter(ts_code="885002.TI", valid_to=None).exists()
    assert asof(FIRST) == BOTH


def test_one_concept_failing_does_not_stop_the_rest(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    market.broken.add("885001.TI")
    _, members = sync(clock)
    assert members.open_cells.keys() == {"885001.TI"}
    assert now_held() == {("Batteries", "600002.SH")}
    market.broken.clear()
    clock.sleep(3600)
    sync(clock)
    assert now_held() == BOTH


@pytest.mark.parametrize(("points", "taken"), [(6000, "ths"), (300, "concept")])
def test_auto_takes_the_first_source_that_the_token_may_call_and_says_which(
    market: ConceptMarket, settings: Settings, points: int, taken: str
) -> None:
    with Sandbox(market, quota=0, points=points) as server:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", server.url
        execution = run("sync_concept_data")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert execution.result is not None
    assert execution.result["source"] == taken
    assert ("frozen" in execution.result) == (taken == "concept")
    assert now_held() == BOTH
    assert ConceptDetail.objects.exists() == (taken == "concept")


def test_a_token_that_may_call_none_is_told_so_without_red(
    market: ConceptMarket, settings: Settings
) -> None:
    with Sandbox(market, quota=0, points=120) as server:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", server.url
        execution = run("sync_concept_data")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert execution.result is not None
    said = " ".join(execution.result["not_available"])
    assert all(f"{name} is not available" in said for name in ("ths_index", "dc_index", "concept"))
    assert now_held() == set()


def test_a_source_by_trade_date_is_asked_for_the_last_due_day(
    source: Sandbox, settings: Settings
) -> None:
    settings.SYNC_CONCEPT_SOURCE = "dc"
    execution = run("sync_concept_data")
    assert execution.status == Status.SUCCESS, execution.error_message
    assert now_held() == BOTH
    assert SyncLedger.objects.get(dataset="dc_index").cell_date is not None


def test_coverage_tells_of_the_source_that_is_taken(
    source: Sandbox, market: ConceptMarket, clock: Clock
) -> None:
    def covered(name: str) -> Coverage:
        return cover(get_dataset(name), None, None, now=clock())

    assert not covered("ths_index").is_good
    assert covered("concept").said == "not the source that concepts are taken from"
    market.broken.add("885001.TI")
    sync(clock)
    listed, members = covered("ths_index"), covered("ths_member")
    assert (listed.is_good, listed.good) == (True, 1)
    assert (members.good, set(members.open_cells)) == (1, {"885001.TI"})
    assert covered("dc_member").is_good and covered("dc_member").said
    market.broken.clear()
    clock.sleep(3600)
    sync(clock)
    assert covered("ths_member").is_good
