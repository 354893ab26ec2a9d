"""Whole finance runs against a source on loopback: what is asked, what is kept, what the ledger says."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from datasync_app.datasets.finance import FINA_BY_PERIOD, FINA_INDICATOR
from datasync_app.engine import ledger
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.plan import Step, reports_of
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import Engine
from datasync_app.models import (
    CellState,
    CodeChange,
    DatasetState,
    FinaIndicator,
    SyncFailureRecord,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
)
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.factories import StockBasicFactory
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock, TinyReports

A, B, C = "600000.SH", "600001.SH", "600002.SH"
Q3, ANNUAL, Q1 = "20230930", "20231231", "20240331"
SINCE, SINCE_Q3 = dt.date(2023, 9, 1), dt.date(2023, 9, 30)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def from_the_last_quarters(db: None, settings: Settings) -> None:
    settings.SYNC_FINANCE_HISTORY_START_DATE = dt.date(2023, 9, 1)
    DatasetState.objects.create(dataset="disclosure_date", horizon=dt.date(2024, 4, 24))


def incremental(engine: Engine) -> DatasetReport:
    return FinanceRun(engine).incremental()[-1]


def asked(sandbox: Sandbox, name: str = "fina_indicator") -> list[dict[str, str]]:
    return [params for api_name, params in sandbox.requests if api_name == name]


def companies(sandbox: Sandbox, since: int = 0) -> list[str]:
    return [params["ts_code"] for params in asked(sandbox)[since:]]


def cell(code: str, period: str) -> SyncLedger:
    return SyncLedger.objects.get(dataset="fina_indicator", cell=f"{code}:{period}")


def states() -> dict[str, str]:
    entries = SyncLedger.objects.filter(dataset="fina_indicator")
    return {entry.cell: entry.state for entry in entries}


def all_reported(market: TinyReports) -> None:
    for code in market.codes:
        market.report(code, Q3, "20231028")


def test_one_call_fills_many_cells(engine: Engine, market: TinyReports, sandbox: Sandbox) -> None:
    all_reported(market)
    market.disclose(A, ANNUAL, "20240424")
    market.disclose(A, Q1, "20240424")
    for period in (ANNUAL, Q1):
        market.report(A, period, "20240424")
    report = incremental(engine)
    assert report.is_good and not report.awaited
    assert set(states()) == {f"{A}:{ANNUAL}", f"{A}:{Q1}", *(f"{c}:{Q3}" for c in market.codes)}
    assert set(states().values()) == {CellState.COMPLETE}
    first, *then = companies(sandbox)
    assert (first, sorted(then)) == (A, [A, B, C])  # disclosed first, then what is missing


def test_every_open_period_of_a_disclosure_is_asked_for_in_one_call(
    engine: Engine, market: TinyReports, sandbox: Sandbox
) -> None:
    all_reported(market)
    for period in (ANNUAL, Q1):
        market.disclose(B, period, "20240425")
        market.report(B, period, "20240425")
    incremental(engine)
    assert asked(sandbox)[0] == {"ts_code": B, "start_date": ANNUAL, "end_date": Q1}


def test_a_report_is_due_the_day_after_its_disclosure_and_not_before(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    market.disclose(A, Q1, "20240426")
    incremental(engine)
    assert f"{A}:{Q1}" not in states()
    clock.set("20240427 00:10")
    market.report(A, Q1, "20240426")
    incremental(engine)
    assert states()[f"{A}:{Q1}"] == CellState.COMPLETE


def test_without_a_disclosure_a_report_is_due_when_its_window_has_closed(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    clock.set("20240430 00:10")
    incremental(engine)
    assert f"{A}:{Q1}" not in states()
    clock.set("20240501 00:10")
    market.report(A, Q1, "20240430")
    incremental(engine)
    assert states()[f"{A}:{Q1}"] == CellState.COMPLETE


def test_companies_not_listed_when_a_window_closed_owe_nothing_and_delisted_ones_did(
    engine: Engine, market: TinyReports
) -> None:
    market.listed = {
        A: ("20231102", None),
        B: ("20000104", "20231115"),
        C: ("20000104", "20231031"),
    }
    market.report(B, Q3, "20231028")
    incremental(engine)
    assert states() == {f"{B}:{Q3}": CellState.COMPLETE}


def test_a_renumbered_company_is_asked_for_once_under_its_new_code(
    engine: Engine, market: TinyReports, sandbox: Sandbox
) -> None:
    CodeChange.objects.create(old_code=A, new_code=B, from_date=dt.date(2022, 1, 4))
    all_reported(market)
    market.disclose(A, ANNUAL, "20240424")
    market.report(B, ANNUAL, "20240424")
    incremental(engine)
    assert set(companies(sandbox)) == {B, C}
    assert states()[f"{B}:{ANNUAL}"] == CellState.COMPLETE


def test_a_second_run_asks_for_nothing_again(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock
) -> None:
    all_reported(market)
    incremental(engine)
    before = len(sandbox.requests)
    clock.set("20240426 06:10")
    assert incremental(engine).is_good
    assert len(sandbox.requests) == before


def test_every_version_of_a_report_is_kept(engine: Engine, market: TinyReports) -> None:
    market.listed = {A: ("20000104", None)}
    market.report(A, Q3, "20231028", 1.0, flag="0")
    market.report(A, Q3, "20231028", 1.5, flag="1")
    market.report(A, Q3, "20231028", 1.5, flag="1")
    incremental(engine)
    kept = FinaIndicator.objects.order_by("update_flag").values_list("update_flag", "eps", "roe")
    assert list(kept) == [(0, 1.0, 10.0), (1, 1.5, 10.0)]
    assert cell(A, Q3).received_rows == 2


def test_a_disclosed_report_without_figures_stays_due_and_is_awaited(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    market.disclose(A, Q1, "20240425")
    report = incremental(engine)
    late = cell(A, Q1)
    assert late.state == CellState.DUE
    assert late.missing == {A: "disclosed on 20240425, the source has no row yet"}
    assert report.is_good and list(report.awaited) == [late.cell]
    assert late.next_attempt_at == clock() + dt.timedelta(hours=2)
    for day in (27, 28, 29, 30):
        clock.set(f"202404{day} 00:10")
        incremental(engine)
    assert cell(A, Q1).state == CellState.DUE
    market.report(A, Q1, "20240425")
    clock.set("20240501 12:10")
    incremental(engine)
    assert cell(A, Q1).state == CellState.COMPLETE


def test_after_fifteen_days_two_fetches_that_agree_close_a_cell_with_a_dispute(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    DatasetState.objects.update(horizon=dt.date(2024, 4, 10))
    all_reported(market)
    market.disclose(A, ANNUAL, "20240410")
    incremental(engine)
    assert cell(A, ANNUAL).state == CellState.DUE
    clock.set("20240426 00:50")
    incremental(engine)
    closed = cell(A, ANNUAL)
    assert closed.state == CellState.EMPTY_CONFIRMED
    assert closed.disputes == {A: ["disclosure_date"]}
    assert closed.missing == {A: "two fetches agree that it has no row"}


def test_a_company_that_never_reports_is_asked_ever_more_seldom(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock
) -> None:
    market.listed = {A: ("20000104", None)}
    asked_on = []
    for night in (0, 1, 2, 7, 8, 21, 22, 23):
        clock.now = Clock("20231116 00:10").now + dt.timedelta(days=night)
        before = len(asked(sandbox))
        incremental(engine)
        asked_on += [night] * (len(asked(sandbox)) - before)
    assert cell(A, Q3).state == CellState.EMPTY_CONFIRMED
    assert asked_on == [0, 1, 8, 22]


def test_a_new_disclosure_makes_a_closed_cell_due_again(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.listed = {A: ("20000104", None)}
    incremental(engine)
    clock.set("20240426 00:50")
    incremental(engine)
    assert cell(A, Q3).state == CellState.EMPTY_CONFIRMED
    market.disclose(A, Q3, "20240427")
    market.report(A, Q3, "20240427")
    clock.set("20240428 00:10")
    incremental(engine)
    assert cell(A, Q3).state == CellState.COMPLETE


def test_what_was_announced_before_the_disclosure_is_not_its_report(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    market.disclose(A, ANNUAL, "20240425")
    market.report(A, ANNUAL, "20240301")
    incremental(engine)
    assert cell(A, ANNUAL).state == CellState.PARTIAL
    assert "announced before that" in cell(A, ANNUAL).last_error
    market.report(A, ANNUAL, "20240425", 2.0)
    clock.set("20240427 00:10")
    incremental(engine)
    assert cell(A, ANNUAL).state == CellState.COMPLETE


def test_at_most_so_many_companies_that_lack_reports_a_run_and_never_synced_ones_first(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock, settings: Settings
) -> None:
    settings.SYNC_INCREMENTAL_MISSING_LIMIT = 1
    report = incremental(engine)
    assert companies(sandbox) == [A]
    assert report.left == "2 reports of 2 companies were not asked for yet"
    clock.set("20240427 00:10")  # A is due again by now, and was synced before
    incremental(engine)
    assert companies(sandbox) == [A, B]


def test_a_company_whose_rows_cannot_be_is_on_record_and_tried_up_to_the_maximum(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock
) -> None:
    all_reported(market)
    market.reports[0][3] = "much"
    report = incremental(engine)
    assert list(report.open_cells) == [f"{A}:{Q3}"]
    record = SyncFailureRecord.objects.get()
    assert (record.code, record.retry_count, record.resolved_at) == (A, 0, None)
    assert "eps is 'much'" in record.error_message
    for tries, hour in enumerate((6, 10, 14, 18), start=1):
        before = len(asked(sandbox))
        clock.set(f"20240426 {hour:02d}:10")
        incremental(engine)
        record.refresh_from_db()
        assert record.retry_count == min(tries, 3)
        assert companies(sandbox, before) == ([A] if tries <= 3 else [])
    exhausted = cell(A, Q3)
    assert (exhausted.state, exhausted.next_attempt_at) == (CellState.FAILED, None)


def test_failures_are_tried_again_before_anything_else(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock
) -> None:
    all_reported(market)
    market.reports[2][3] = "much"
    incremental(engine)
    market.reports[2][3] = 1.0
    market.disclose(A, Q1, "20240426")
    market.report(A, Q1, "20240426")
    before = len(asked(sandbox))
    clock.set("20240427 00:10")
    assert incremental(engine).is_good
    assert companies(sandbox, before) == [C, A]
    assert SyncFailureRecord.objects.get().resolved_at == clock()


def test_a_new_disclosure_resets_a_company_that_failed_too_often(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.listed = {A: ("20000104", None)}
    market.report(A, Q3, "20231028", "much")
    incremental(engine)
    SyncFailureRecord.objects.update(retry_count=3)
    SyncLedger.objects.filter(state=CellState.FAILED).update(next_attempt_at=None)
    market.reports[0][3] = 1.0
    clock.set("20240427 00:10")
    incremental(engine)
    assert cell(A, Q3).state == CellState.FAILED
    market.disclose(A, Q3, "20240427")
    market.report(A, Q3, "20240427", 2.0)
    clock.set("20240428 00:10")
    incremental(engine)
    assert cell(A, Q3).state == CellState.COMPLETE
    assert SyncFailureRecord.objects.get().resolved_at == clock()


def test_a_person_resets_a_company_that_failed_too_often(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.listed = {A: ("20000104", None)}
    market.report(A, Q3, "20231028", "much")
    incremental(engine)
    SyncFailureRecord.objects.update(retry_count=3)
    SyncLedger.objects.filter(state=CellState.FAILED).update(next_attempt_at=None)
    market.reports[0][3] = 1.0
    ledger.reset(FINA_INDICATOR, f"{A}:{Q3}", now=clock())
    incremental(engine)
    assert cell(A, Q3).state == CellState.COMPLETE


def test_a_period_whose_call_failed_is_on_record_until_its_reports_are_there(
    market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    for code in market.codes:
        StockBasicFactory.create(ts_code=code)
    with Sandbox(market, quota=0, points=5000) as gone:
        engine = engine_of(gone, clock)
    incremental(engine)
    assert set(states().values()) == {CellState.FAILED}
    assert SyncFailureRecord.objects.get().code == Q3
    assert not FinaIndicator.objects.exists()
    clock.set("20240426 06:10")
    with Sandbox(market, quota=0, points=5000) as back:
        assert incremental(engine_of(back, clock)).is_good
    assert set(states().values()) == {CellState.COMPLETE}
    assert SyncFailureRecord.objects.get().resolved_at == clock()


def test_a_click_on_a_failure_lets_it_be_tried_as_often_as_at_first(
    engine: Engine, market: TinyReports, clock: Clock, admin_client: Client
) -> None:
    market.listed = {A: ("20000104", None)}
    market.report(A, Q3, "20231028", "much")
    incremental(engine)
    SyncFailureRecord.objects.update(retry_count=3)
    SyncLedger.objects.filter(state=CellState.FAILED).update(next_attempt_at=None)
    record = SyncFailureRecord.objects.get()
    page = "/admin/datasync_app/syncfailurerecord/"
    answer = admin_client.post(page, {"action": "try_again", "_selected_action": record.pk})
    assert answer.status_code == 302
    clock.now = timezone.now()
    assert reports_of(Step.FAILED, Scope(SINCE, SINCE_Q3), now=clock())[0].code == A
    record.refresh_from_db()
    assert record.retry_count == 0


def test_what_was_announced_before_its_period_ended_is_set_apart(
    engine: Engine, market: TinyReports
) -> None:
    for code in (A, B):
        market.report(code, Q3, "20230801", 5.0)
    market.report(B, Q3, "20230801", 5.0, flag="1")
    market.report(A, Q3, "20231028", 1.0)
    incremental(engine)
    assert [row.ts_code for row in FinaIndicator.objects.all()] == [A]
    assert cell(A, Q3).state == CellState.COMPLETE
    assert cell(B, Q3).state == CellState.DUE
    assert "its row is in quarantine" in cell(B, Q3).last_error
    apart = SyncQuarantine.objects.order_by("cell").values_list("cell", "reason")
    assert list(apart) == [
        (f"{code}:{Q3}", "it was announced before its period ended") for code in (A, B, B)
    ]


def test_a_report_that_comes_right_leaves_the_quarantine(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.listed = {A: ("20000104", None)}
    market.report(A, Q3, "20230801", 5.0)
    incremental(engine)
    market.reports[0][1] = "20231028"
    clock.set("20240427 00:10")
    incremental(engine)
    assert cell(A, Q3).state == CellState.COMPLETE
    assert SyncQuarantine.objects.get().resolved_at == clock()


def test_an_answer_and_its_accounts_are_one_transaction(
    engine: Engine, market: TinyReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_reported(market)

    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("cut off")

    monkeypatch.setattr("datasync_app.engine.finance.books.resolve", fails)
    with pytest.raises(RuntimeError, match="cut off"):
        incremental(engine)
    assert not FinaIndicator.objects.exists() and not states()


def test_a_range_that_is_cut_is_asked_for_in_shorter_ones(
    engine: Engine, market: TinyReports, sandbox: Sandbox, settings: Settings
) -> None:
    settings.SYNC_FINANCE_HISTORY_START_DATE = dt.date(2020, 1, 1)
    market.listed = {A: ("20000104", None)}
    for year in (2020, 2021, 2022, 2023):
        for quarter in ("0331", "0630", "0930"):
            for version in range(9):
                market.report(A, f"{year}{quarter}", f"{year}1101", float(version))
    incremental(engine)
    assert FinaIndicator.objects.count() == 108
    assert len(asked(sandbox)) == 3
    assert set(states().values()) == {CellState.COMPLETE, CellState.DUE}


@pytest.fixture
def rich(market: TinyReports, clock: Clock) -> Sandbox:
    return Sandbox(market, quota=0, points=5000)


def test_whole_periods_fill_the_same_cells_and_a_change_of_way_fetches_nothing_again(
    engine: Engine, market: TinyReports, clock: Clock, sandbox: Sandbox
) -> None:
    all_reported(market)
    incremental(engine)
    by_company = states()
    with Sandbox(market, quota=0, points=5000) as rich:
        wealthy = engine_of(rich, clock)
        clock.set("20240426 06:10")
        assert incremental(wealthy).is_good
        assert not asked(rich) and not asked(rich, FINA_BY_PERIOD.name)
        SyncLedger.objects.filter(dataset="fina_indicator").delete()
        FinaIndicator.objects.all().delete()
        assert incremental(wealthy).is_good
        assert asked(rich, FINA_BY_PERIOD.name) == [{"period": Q3}]
        assert not asked(rich)
    assert states() == by_company


def test_where_whole_periods_are_denied_the_same_run_asks_by_company(
    market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    with Sandbox(market, quota=0, points=2000) as poor:
        report = incremental(engine_of(poor, clock))
        assert len(asked(poor, FINA_BY_PERIOD.name)) == 1
        assert sorted(companies(poor)) == [A, B, C]
    assert report.is_good and not report.denied


def test_one_company_with_impossible_rows_costs_a_period_nothing_else(
    market: TinyReports, clock: Clock
) -> None:
    all_reported(market)
    market.reports[1][3] = "much"
    with Sandbox(market, quota=0, points=5000) as rich:
        report = incremental(engine_of(rich, clock))
        assert not asked(rich)
    assert list(report.open_cells) == [f"{B}:{Q3}"]
    assert states() == {
        f"{A}:{Q3}": CellState.COMPLETE,
        f"{B}:{Q3}": CellState.FAILED,
        f"{C}:{Q3}": CellState.COMPLETE,
    }


def test_a_denied_dataset_is_one_sentence_and_its_cells_stay_due(
    market: TinyReports, clock: Clock
) -> None:
    StockBasicFactory.create(ts_code=A)
    with Sandbox(market, quota=0, points=120) as poor:
        report = incremental(engine_of(poor, clock))
    assert "fina_indicator is not available to this token" in report.denied
    assert states() == {f"{A}:{Q3}": CellState.DUE}
    assert not SyncFailureRecord.objects.exists()


def test_good_reports_of_the_last_periods_are_read_again_after_a_week(
    engine: Engine, market: TinyReports, sandbox: Sandbox, clock: Clock
) -> None:
    all_reported(market)
    incremental(engine)
    market.report(A, Q3, "20231028", 9.0, flag="1")
    before = len(asked(sandbox))
    clock.set("20240502 00:10")
    incremental(engine)
    assert companies(sandbox, before).count(A) == 1  # its other reports, whose window closed
    clock.set("20240503 00:20")
    incremental(engine)
    assert FinaIndicator.objects.filter(ts_code=A, eps=9.0).exists()


def test_a_version_that_the_source_replaced_is_a_restatement_and_a_correction_beside_it_is_none(
    engine: Engine, market: TinyReports, clock: Clock
) -> None:
    market.listed = {A: ("20000104", None), B: ("20000104", None)}
    all_reported(market)
    incremental(engine)
    market.reports[0][3] = 1.5
    market.report(B, Q3, "20231028", 2.0, flag="1")
    clock.set("20240503 00:20")
    incremental(engine)
    clock.set("20240504 00:20")
    incremental(engine)
    assert FinaIndicator.objects.filter(ts_code__in=[A, B]).count() == 4
    restated = SyncRestatement.objects.get()
    assert (restated.cell, restated.column, restated.old, restated.new) == (
        f"{A}:{Q3}",
        "eps",
        1.0,
        1.5,
    )
    assert restated.key["ann_date"] == "20231028"


def test_history_holds_every_report_and_asks_for_none_twice(
    market: TinyReports, clock: Clock, sandbox: Sandbox, engine: Engine
) -> None:
    clock.set("20240502 00:10")
    for code in market.codes:
        for period, day in ((ANNUAL, "20240420"), (Q1, "20240425")):
            market.disclose(code, period, day)
            market.report(code, period, day)
    first = dt.date(2024, 3, 28)
    reports = FinanceRun(engine, batch_size=2).history(first)
    assert all(report.is_good for report in reports), [report.sentence() for report in reports]
    assert set(states()) == {f"{code}:{Q1}" for code in market.codes}
    assert companies(sandbox) == [A, B, C]
    assert DatasetState.objects.get().horizon == first
    before = len(sandbox.requests)
    FinanceRun(engine, batch_size=2).history(first)
    assert len(sandbox.requests) == before


def test_named_companies_are_asked_for_whatever_their_next_attempt(
    engine: Engine, market: TinyReports, sandbox: Sandbox
) -> None:
    market.report(B, Q3, "20231028")
    incremental(engine)
    before = len(asked(sandbox))
    scope = Scope(dt.date(2023, 9, 1), dt.date(2023, 12, 31), codes=(A, B))
    report = FinanceRun(engine).only(scope)
    assert companies(sandbox, before) == [A]
    assert list(report.open_cells) == [f"{A}:{Q3}"]
