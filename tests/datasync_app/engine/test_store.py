"""What a fetch changes: rows, restatements, doubts and quarantine, all in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest
from django.db import connection, transaction
from django.utils import translation

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.market import ADJ_FACTOR, DAILY, STOCK_BASIC
from datasync_app.dates import SHANGHAI
from datasync_app.engine import ledger
from datasync_app.engine.checks import Earlier, Verdict
from datasync_app.engine.rows import TypedRows, typed_rows
from datasync_app.engine.store import store_cell
from datasync_app.models import (
    AdjFactor,
    CellState,
    CodeChange,
    Daily,
    StockBasic,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
)

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI)
MINUTES = [dt.timedelta(minutes=10 * n) for n in range(10)]
DAY = dt.date(2020, 1, 9)
CELL = Cell("20200109", DAY)
FIELDS = ("ts_code", "trade_date", "open", "high", "low", "close", "pre_close", "vol", "amount")
Item = Sequence[object]


def bar(code: str, *, high: float = 10.5, close: float = 10.0, amount: object = 5.0) -> Item:
    return [code, CELL.key, 10.0, high, 9.5, close, 9.9, 100.0, amount]


COMPLETE = Verdict(CellState.COMPLETE)
A, B, C = (bar(f"60000{n}.SH") for n in range(3))


def store(
    items: Sequence[Item],
    *,
    dataset: Dataset = DAILY,
    cell: Cell = CELL,
    fields: Sequence[str] = FIELDS,
    now: dt.datetime = NOW,
    verdict: Verdict = COMPLETE,
) -> Verdict:
    def judge(rows: TypedRows, earlier: Earlier | None) -> Verdict:
        return verdict

    return store_cell(
        dataset,
        cell,
        typed_rows(dataset, fields, items),
        source="sandbox:tiny",
        judge=judge,
        fence=transaction.atomic,
        now=now,
    )


def held() -> dict[str, tuple[object, object]]:
    rows = Daily.objects.filter(trade_date=DAY)
    return {row.ts_code: (row.close, row.amount) for row in rows}


def restated() -> list[tuple[object, ...]]:
    entries = SyncRestatement.objects.order_by("id")
    return list(entries.values_list("kind", "key__ts_code", "column", "old", "new"))


def entry(cell: Cell = CELL) -> SyncLedger:
    return SyncLedger.objects.get(cell=cell.key)


def test_the_first_fill_of_a_cell_is_no_restatement() -> None:
    store([A, B])
    store([A, B, C])
    assert len(held()) == 3
    assert restated() == []


def test_a_changed_value_is_stored_and_written_down_with_what_it_was() -> None:
    store([A, B])
    store([A, bar("600001.SH", close=10.2, amount=None)], now=NOW + MINUTES[1])
    assert held()["600001.SH"] == (10.2, None)
    assert restated() == [
        ("value", "600001.SH", "close", 10.0, 10.2),
        ("value", "600001.SH", "amount", 5.0, None),
    ]
    assert SyncRestatement.objects.values_list("dataset", "cell", "at").distinct().get() == (
        "daily",
        "20200109",
        NOW + MINUTES[1],
    )


def test_a_value_where_there_was_none_is_a_restatement() -> None:
    store([bar("600000.SH", amount=None)])
    store([A])
    assert restated() == [("value", "600000.SH", "amount", None, 5.0)]


def places() -> list[tuple[str, str]]:
    """Where the rows lie: a row that is written again lies elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ts_code, ctid::text FROM daily ORDER BY ts_code")
        return cursor.fetchall()


def test_the_same_rows_in_another_order_write_nothing_but_the_time() -> None:
    store([A, B])
    before = places()
    store([B, A, A], now=NOW + MINUTES[1])
    assert places() == before
    assert entry().fetched_at == NOW + MINUTES[1]
    assert restated() == []


def test_rows_that_somebody_deleted_come_back_with_the_same_answer() -> None:
    store([A, B])
    Daily.objects.filter(ts_code="600001.SH").delete()
    store([A, B])
    assert len(held()) == 2
    assert restated() == []


def test_a_column_that_the_answer_lacks_keeps_what_is_held() -> None:
    store([A, B])
    store([row[:-1] for row in (A, B, C)], fields=FIELDS[:-1])
    assert {code: amount for code, (_, amount) in held().items()} == {
        "600000.SH": 5.0,
        "600001.SH": 5.0,
        "600002.SH": None,
    }
    assert restated() == []


def test_fewer_rows_are_not_believed_until_a_second_fetch_agrees() -> None:
    store([A, B, C])
    first = store([A], now=NOW)
    assert first.state is CellState.COMPLETE
    assert "lacks 2 of the 3 rows that are held (600001.SH, 600002.SH)" in first.problem
    assert entry().next_attempt_at == NOW + MINUTES[3]
    store([A], now=NOW + MINUTES[2])
    assert len(held()) == 3
    assert ledger.next_attempt(["daily"]) == NOW + MINUTES[2] + MINUTES[3]
    store([A], now=NOW + MINUTES[3])
    assert list(held()) == ["600000.SH"]
    assert [(kind, code, new) for kind, code, _, _, new in restated()] == [
        ("gone", "600001.SH", None),
        ("gone", "600002.SH", None),
    ]
    row = SyncRestatement.objects.values_list("old", flat=True).first()
    assert row is not None and (row["close"], row["trade_date"]) == (10.0, CELL.key)
    assert (entry().doubt, entry().next_attempt_at, entry().received_rows) == (None, None, 1)


def test_as_many_rows_that_lack_one_that_is_held_are_not_believed_either() -> None:
    store([A, B])
    store([A, C])
    assert set(held()) == {"600000.SH", "600001.SH"}


def test_a_whole_answer_ends_the_doubt() -> None:
    store([A, B])
    store([A])
    store([A, B], now=NOW + MINUTES[1])
    assert entry().doubt is None
    store([A], now=NOW + MINUTES[4])
    assert len(held()) == 2


def test_another_gap_starts_the_wait_anew() -> None:
    store([A, B, C])
    store([A, B])
    store([A, C], now=NOW + MINUTES[4])
    store([A, C], now=NOW + MINUTES[6])
    assert len(held()) == 3


def test_an_empty_answer_never_empties_a_day() -> None:
    store([A, B])
    store([])
    store([], now=NOW + MINUTES[9])
    assert len(held()) == 2
    assert entry().state == CellState.COMPLETE


def test_a_doubted_cell_that_was_partial_stays_partial() -> None:
    store([A, B], verdict=Verdict(CellState.PARTIAL, problem="one is missing"))
    assert store([A]).state is CellState.PARTIAL


FACTOR_FIELDS = ("ts_code", "trade_date", "adj_factor")


def factors(*values: float) -> list[Item]:
    return [[f"60000{n}.SH", CELL.key, value] for n, value in enumerate(values)]


def test_factors_that_are_rounded_anew_are_one_entry() -> None:
    store(factors(108.031, 2.0, 5.0), dataset=ADJ_FACTOR, fields=FACTOR_FIELDS)
    store(factors(108.0312, 2.001, 5.0), dataset=ADJ_FACTOR, fields=FACTOR_FIELDS)
    summary = SyncRestatement.objects.get()
    assert (summary.kind, summary.key, summary.column) == ("rounding", {}, "adj_factor")
    assert summary.new == {"values": 2, "largest_change": pytest.approx(5e-4)}
    assert AdjFactor.objects.get(ts_code="600001.SH").adj_factor == 2.001


def test_a_dividend_is_no_rounding() -> None:
    store(factors(108.031, 2.0), dataset=ADJ_FACTOR, fields=FACTOR_FIELDS)
    store(factors(108.0312, 2.01), dataset=ADJ_FACTOR, fields=FACTOR_FIELDS)
    summary, value = restated()
    assert summary[0] == "rounding"
    assert value == ("value", "600001.SH", "adj_factor", 2.0, 2.01)


def test_a_renumbered_code_is_no_restatement() -> None:
    CodeChange.objects.create(old_code="600001.SH", new_code="600002.SH", from_date=DAY)
    store([A, B])
    store([A, C])
    assert set(held()) == {"600000.SH", "600002.SH"}
    assert restated() == []


def test_a_value_that_changed_with_the_code_is_a_restatement() -> None:
    CodeChange.objects.create(old_code="600001.SH", new_code="600002.SH", from_date=DAY)
    store([A, B])
    store([A, bar("600002.SH", close=10.1)])
    assert restated() == [("value", "600002.SH", "close", 10.0, 10.1)]


STOCK_FIELDS = ("ts_code", "name", "list_status", "delist_date")


def test_a_list_that_is_merged_writes_down_what_it_changes() -> None:
    listed, delisted = Cell("L"), Cell("D")
    both = [["600000.SH", "甲", "L", None], ["600001.SH", "乙", "L", None]]
    store(both, dataset=STOCK_BASIC, cell=listed, fields=STOCK_FIELDS)
    store(
        [["600001.SH", "退市乙", "D", "20200108"]],
        dataset=STOCK_BASIC,
        cell=delisted,
        fields=STOCK_FIELDS,
    )
    store(both[:1], dataset=STOCK_BASIC, cell=listed, fields=STOCK_FIELDS)
    assert StockBasic.objects.get(ts_code="600001.SH").name == "退市乙"
    assert restated() == [
        ("value", "600001.SH", "name", "乙", "退市乙"),
        ("value", "600001.SH", "list_status", "L", "D"),
        ("value", "600001.SH", "delist_date", None, "20200108"),
    ]


BROKEN = bar("600001.SH", high=9.0)


def test_a_row_that_breaks_a_rule_goes_to_quarantine_and_its_code_is_missing() -> None:
    verdict = store([A, BROKEN])
    assert set(held()) == {"600000.SH"}
    row = SyncQuarantine.objects.get()
    assert (row.cell, row.key["ts_code"], row.row["high"]) == ("20200109", "600001.SH", 9.0)
    assert "the high is below the low" in row.reason
    assert row.rules.split(",")[0] == "high_below_low"
    assert verdict.state is CellState.PARTIAL
    assert entry().missing["600001.SH"].startswith("quarantined: the high is below the low")


def test_the_reason_is_stored_in_english_whoever_syncs() -> None:
    with translation.override("zh-hans"):
        store([A, BROKEN])
    assert "the high is below the low" in SyncQuarantine.objects.get().reason


def test_a_later_good_row_resolves_the_entry() -> None:
    store([A, BROKEN])
    verdict = store([A, B], now=NOW + MINUTES[1])
    assert verdict.state is CellState.COMPLETE
    assert set(held()) == {"600000.SH", "600001.SH"}
    row = SyncQuarantine.objects.get()
    assert (row.resolved_at, row.resolved_by) == (
        NOW + MINUTES[1],
        "a later fetch brought a good row",
    )


def test_a_row_that_stays_broken_has_one_entry_and_closes_the_cell_when_fetches_agree() -> None:
    store([A, BROKEN])
    assert store([A, BROKEN], now=NOW + MINUTES[1]).state is CellState.PARTIAL
    assert store([A, BROKEN], now=NOW + MINUTES[4]).state is CellState.COMPLETE
    row = SyncQuarantine.objects.get()
    assert (row.at, row.last_seen_at, row.resolved_at) == (NOW, NOW + MINUTES[4], None)
    assert list(entry().missing) == ["600001.SH"]


def test_a_good_row_that_is_held_stands_for_a_broken_one() -> None:
    store([A, B])
    assert store([bar("600000.SH", close=10.1), BROKEN]).state is CellState.COMPLETE
    assert held() == {"600000.SH": (10.1, 5.0), "600001.SH": (10.0, 5.0)}
    assert SyncQuarantine.objects.count() == 1
    assert restated() == [("value", "600000.SH", "close", 10.0, 10.1)]


def test_null_breaks_no_rule() -> None:
    store([[A[0], CELL.key, None, None, None, None, None, None, None]])
    assert Daily.objects.count() == 1


def test_nothing_is_kept_of_a_transaction_that_is_refused() -> None:
    store([A, B, C])

    class Refused(Exception):
        pass

    def judge(rows: TypedRows, earlier: Earlier | None) -> Verdict:
        raise Refused

    with pytest.raises(Refused):
        store_cell(
            DAILY,
            CELL,
            typed_rows(DAILY, FIELDS, [bar("600000.SH", close=10.3), BROKEN, C]),
            source="sandbox:tiny",
            judge=judge,
            fence=transaction.atomic,
            now=NOW,
        )
    assert held()["600000.SH"] == (10.0, 5.0)
    assert not SyncRestatement.objects.exists() and not SyncQuarantine.objects.exists()
