"""Cut answers are asked for again in parts until they are whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.datasets.base import Cell
from datasync_app.datasets.market import DAILY, DAILY_BASIC, NAMECHANGE, STOCK_BASIC, TRADE_CAL
from datasync_app.datasets.splits import ByCodes, ByReportPeriod, ByShorterRange, ByValue, Split
from datasync_app.dates import show_date
from datasync_app.engine.fetch import fetch_cell
from datasync_app.engine.truncation import whole_answer
from datasync_app.protocol import Rows
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.outcomes import Answer, AnswerKind, Mismatched, TransportFailure
from tests.datasync_app.tiny_market import TinyMarket

FIELDS = ("ts_code", "close")


class CappedSource:
    """Rows by code, never more than `cap` in an answer, as Tushare cuts them."""

    def __init__(self, codes: list[str], cap: int) -> None:
        self.codes, self.cap = codes, cap
        self.calls: list[Mapping[str, str]] = []

    def __call__(self, params: Mapping[str, str]) -> Answer:
        self.calls.append(params)
        asked = params["ts_code"].split(",") if "ts_code" in params else self.codes
        rows: list[list[object]] = [[code, 1.0] for code in asked if code in self.codes]
        cut = len(rows) >= self.cap
        kind = AnswerKind.TRUNCATED if cut else AnswerKind.ROWS if rows else AnswerKind.EMPTY
        return Answer("daily", params, FIELDS, rows[: self.cap], cut, "sandbox:1", kind)


def codes_in(answer: Answer) -> set[object]:
    return {item[0] for item in answer.items}


@given(rows=st.integers(0, 60), cap=st.integers(2, 30), most=st.integers(1, 20))
def test_every_code_arrives_whatever_the_cap(rows: int, cap: int, most: int) -> None:
    codes = [f"{n:06d}.SZ" for n in range(rows)]
    source = CappedSource(codes, cap)
    answer = whole_answer(
        replace(DAILY, split=ByCodes(most)), {"trade_date": "20200106"}, lambda: codes, source
    )
    assert codes_in(answer) == set(codes)
    assert answer.kind is not AnswerKind.TRUNCATED
    assert all(len(call.get("ts_code", "").split(",")) <= most for call in source.calls)


def test_no_list_is_longer_than_a_hundred_codes() -> None:
    codes = [f"{n:06d}.SZ" for n in range(950)]
    source = CappedSource(codes, 700)
    answer = whole_answer(DAILY, {"trade_date": "20200106"}, lambda: codes, source)
    assert codes_in(answer) == set(codes)
    assert [len(call["ts_code"].split(",")) for call in source.calls[1:]] == [100, 100, 50]
    assert all("offset" not in call and call["trade_date"] == "20200106" for call in source.calls)


def test_only_codes_that_the_cut_answer_lacks_are_asked_for_one_by_one() -> None:
    codes = [f"{n:06d}.SZ" for n in range(12)]
    source = CappedSource(codes, 10)
    answer = whole_answer(DAILY_BASIC, {"trade_date": "20200106"}, lambda: codes, source)
    assert codes_in(answer) == set(codes)
    assert [call["ts_code"] for call in source.calls[1:]] == codes[10:]


class NamesSource:
    """Two names of each code, the newer announced in 2020 and the older on no known date."""

    fields = ("ts_code", "name", "start_date", "ann_date")

    def __init__(self, codes: list[str], cap: int, *, takes_lists: bool) -> None:
        self.codes, self.cap, self.takes_lists = codes, cap, takes_lists

    def __call__(self, params: Mapping[str, str]) -> Answer:
        asked = params.get("ts_code", ",".join(self.codes))
        chosen = asked.split(",") if self.takes_lists or "ts_code" not in params else [asked]
        rows: list[list[object]] = [[code, "new", "20200101", "20200101"] for code in chosen]
        if "start_date" not in params:
            rows += [[code, "old", "20000101", None] for code in chosen]
        elif not params["start_date"] <= "20200101" <= params["end_date"]:
            rows = []
        rows = [row for row in rows if row[0] in self.codes]
        cut = len(rows) >= self.cap
        kind = AnswerKind.TRUNCATED if cut else AnswerKind.ROWS if rows else AnswerKind.EMPTY
        return Answer("namechange", params, self.fields, rows[: self.cap], cut, "tiny", kind)


def test_names_without_an_announcement_are_had_by_lists_of_codes() -> None:
    codes = [f"{n:06d}.SZ" for n in range(150)]
    source = NamesSource(codes, 201, takes_lists=True)
    answer = whole_answer(NAMECHANGE, {}, lambda: codes, source)
    assert {(item[0], item[1]) for item in answer.items} == {
        (code, name) for code in codes for name in ("new", "old")
    }


def test_where_no_lists_are_taken_names_are_had_by_announcement() -> None:
    codes = [f"{n:06d}.SZ" for n in range(150)]
    answer = whole_answer(NAMECHANGE, {}, lambda: codes, NamesSource(codes, 160, takes_lists=False))
    assert {item[0] for item in answer.items if item[1] == "new"} == set(codes)
    assert answer.kind is AnswerKind.ROWS


def test_a_cut_answer_with_every_listed_code_is_whole() -> None:
    codes = [f"{n:06d}.SZ" for n in range(10)]
    source = CappedSource(codes, 10)
    answer = whole_answer(DAILY, {"trade_date": "20200106"}, lambda: codes, source)
    assert (answer.kind, len(source.calls)) == (AnswerKind.ROWS, 1)


def test_codes_that_nobody_listed_are_kept_from_the_cut_answer() -> None:
    codes = [f"{n:06d}.SZ" for n in range(10)]
    answer = whole_answer(
        DAILY, {"trade_date": "20200106"}, lambda: codes[1:], CappedSource(codes, 8)
    )
    assert codes[0] in codes_in(answer)


def test_what_cannot_be_split_further_stays_truncated_and_says_so() -> None:
    source = CappedSource(["000001.SZ", "000002.SZ"], cap=1)
    answer = whole_answer(DAILY, {"trade_date": "20200106"}, lambda: source.codes, source)
    assert answer.kind is AnswerKind.TRUNCATED


def test_half_an_answer_is_none() -> None:
    codes = [f"{n:06d}.SZ" for n in range(10)]
    source = CappedSource(codes, 8)

    def ask(params: Mapping[str, str]) -> Answer:
        if "000009.SZ" in params.get("ts_code", ""):
            raise TransportFailure("the line broke")
        return source(params)

    split = replace(DAILY, split=ByCodes(2))
    with pytest.raises(TransportFailure):
        whole_answer(split, {"trade_date": "20200106"}, lambda: codes, ask)


def test_parts_are_aligned_by_field_name() -> None:
    codes = ["000001.SZ", "000002.SZ", "000003.SZ"]
    source = CappedSource(codes, 2)

    def turned(params: Mapping[str, str]) -> Answer:
        answer = source(params)
        if "ts_code" not in params:
            return answer
        return replace(answer, fields=FIELDS[::-1], items=[item[::-1] for item in answer.items])

    split = replace(DAILY, split=ByCodes(1))
    answer = whole_answer(split, {"trade_date": "20200106"}, lambda: codes, turned)
    assert codes_in(answer) == set(codes)

    def other(params: Mapping[str, str]) -> Answer:
        return (
            replace(turned(params), fields=("ts_code", "open"))
            if "ts_code" in params
            else source(params)
        )

    with pytest.raises(Mismatched):
        whole_answer(split, {"trade_date": "20200106"}, lambda: codes, other)


class StrangersMarket(TinyMarket):
    """Answers a list of codes with one more code than was asked for."""

    def _daily(self, params: Mapping[str, str]) -> Rows:
        rows = super()._daily(params)
        if "ts_code" in params:
            rows.append(self.bar("920099.BJ", params["trade_date"]))
        return rows


@pytest.mark.parametrize("market", [TinyMarket(), StrangersMarket()])
def test_a_part_with_a_code_that_was_not_asked_for_is_a_mismatch(market: TinyMarket) -> None:
    cell = Cell("20200106", dt.date(2020, 1, 6))
    market.cap = 20
    with Sandbox(market, quota=0) as sandbox:
        client = TushareClient("a-token", sandbox.url, sleep=lambda seconds: None)
        capped = replace(DAILY, row_cap=20)
        outcome = fetch_cell(
            client, capped, cell, lambda cell: market.codes, cancelled=lambda: False
        )
        client.close()

    if isinstance(market, StrangersMarket):
        assert isinstance(outcome, Mismatched)
        assert "rows whose ts_code is 920099.BJ" in str(outcome)
    else:
        assert isinstance(outcome, Answer) and codes_in(outcome) == set(market.codes)


@pytest.mark.parametrize(
    ("split", "params", "belongs"),
    [
        (ByCodes(2), {"trade_date": "20200106"}, {}),
        (ByCodes(2), {"ts_code": "a,b"}, {"ts_code": {"a", "b"}}),
        (ByReportPeriod(2), {"ann_date": "20200106"}, {}),
        (ByReportPeriod(2), {"end_date": "20191231"}, {"end_date": {"20191231"}}),
        (ByValue("exchange", ("SSE",)), {"exchange": "SSE"}, {"exchange": {"SSE"}}),
        (ByShorterRange(), {"start_date": "20200106", "end_date": "20200107"}, {}),
    ],
)
def test_what_belongs_to_a_part_is_what_it_asks_for(
    split: Split, params: Mapping[str, str], belongs: Mapping[str, set[str]]
) -> None:
    assert split.belongs(params) == belongs


@given(st.dates(dt.date(2000, 1, 1), dt.date(2010, 1, 1)), st.integers(0, 800))
def test_a_range_is_halved_without_a_gap_or_an_overlap(start: dt.date, days: int) -> None:
    end = start + dt.timedelta(days=days)
    parts = ByShorterRange().parts({"start_date": show_date(start), "end_date": show_date(end)}, [])
    if days == 0:
        assert parts == []
        return
    first, second = parts
    assert (first["start_date"], second["end_date"]) == (show_date(start), show_date(end))
    gap = dt.datetime.strptime(second["start_date"], "%Y%m%d") - dt.datetime.strptime(
        first["end_date"], "%Y%m%d"
    )
    assert gap == dt.timedelta(days=1)


def test_the_declarations_say_how_each_dataset_is_split() -> None:
    assert DAILY.split == ByCodes(most=100)
    assert TRADE_CAL.split == ByShorterRange()
    assert STOCK_BASIC.split is not None
    parts = STOCK_BASIC.split.parts({"list_status": "L"}, [])
    assert [part["exchange"] for part in parts] == ["SSE", "SZSE", "BSE"]
    assert STOCK_BASIC.split.parts(parts[0], []) == []
