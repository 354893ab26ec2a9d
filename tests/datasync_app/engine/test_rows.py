"""JSON items become typed rows, or a sentence."""

from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.datasets.market import DAILY, SUSPEND_D, TRADE_CAL
from datasync_app.engine.rows import BadRows, typed_rows

FIELDS = ["ts_code", "trade_date", "open", "high", "low", "close", "pre_close"]
ROW = ["000001.SZ", "20200106", 16.78, 16.96, 16.58, 16.88, 16.87]


def test_it_maps_by_name_whatever_the_order() -> None:
    rows = typed_rows(DAILY, FIELDS[::-1], [ROW[::-1]])
    assert [field.name for field in rows.columns] == FIELDS
    assert rows.rows == [("000001.SZ", dt.date(2020, 1, 6), 16.78, 16.96, 16.58, 16.88, 16.87)]


def test_null_stays_null() -> None:
    rows = typed_rows(DAILY, [*FIELDS, "amount"], [[*ROW, None]])
    assert rows.column("amount") == [None]


@pytest.mark.parametrize("value", ["16.78", True, [1], float("nan"), float("inf")])
def test_a_price_that_is_no_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadRows, match="open"):
        typed_rows(DAILY, FIELDS, [["000001.SZ", "20200106", value, 1, 1, 1, 1]])


@pytest.mark.parametrize("date", ["2020-01-06", "20201301", 20200106, "2020010"])
def test_a_date_that_is_no_date_is_refused_by_name(date: object) -> None:
    with pytest.raises(BadRows, match="trade_date"):
        typed_rows(DAILY, FIELDS, [["000001.SZ", date, *ROW[2:]]])


def test_a_row_without_its_key_is_refused() -> None:
    with pytest.raises(BadRows, match="without its key"):
        typed_rows(DAILY, FIELDS, [[None, *ROW[1:]]])


def test_exact_duplicates_count_once_and_contradictions_are_refused() -> None:
    assert len(typed_rows(DAILY, FIELDS, [ROW, ROW]).rows) == 1
    with pytest.raises(BadRows, match="two different rows for 2020-01-06, 000001.SZ"):
        typed_rows(DAILY, FIELDS, [ROW, [*ROW[:-1], 99.0]])


def test_is_open_is_read_as_a_number_or_a_string() -> None:
    fields = ["exchange", "cal_date", "is_open"]
    rows = typed_rows(TRADE_CAL, fields, [["SSE", "20200101", 0], ["SSE", "20200102", "1"]])
    assert rows.column("is_open") == [0, 1]


def test_the_fingerprint_sees_a_changed_value_and_no_order() -> None:
    other = ["000002.SZ", *ROW[1:]]
    first = typed_rows(DAILY, FIELDS, [ROW, other]).fingerprint
    assert typed_rows(DAILY, FIELDS, [other, ROW]).fingerprint == first
    changed = [*ROW[:-1], 16.86]
    assert typed_rows(DAILY, FIELDS, [changed, other]).fingerprint != first


@pytest.mark.parametrize("names", [["suspend_timing"], []])
def test_an_optional_part_of_the_key_may_be_null_or_not_in_the_answer(names: list[str]) -> None:
    fields = ["ts_code", "trade_date", "suspend_type", *names]
    row = ["000029.SZ", "20200312", "S", *(None for _ in names)]
    rows = typed_rows(SUSPEND_D, fields, [row, row])
    assert rows.column("ts_code") == ["000029.SZ"]
    with pytest.raises(BadRows, match="without its key"):
        typed_rows(SUSPEND_D, fields, [["000029.SZ", "20200312", None, *row[3:]]])
