"""Each rule of the market sets apart the rows that break it, and no others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest

from datasync_app.datasets import DAILY
from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.market import ADJ_FACTOR, DAILY_BASIC, INDEX_DAILY
from datasync_app.engine.quarantine import set_apart
from datasync_app.engine.rows import typed_rows
from tests.datasync_app.factories import hold_calendar

pytestmark = pytest.mark.django_db

DAY = Cell("20200109", dt.date(2020, 1, 9))
YEAR = Cell("000001.SH:2020")
BAR = {
    **{"open": 10.0, "high": 10.5, "low": 9.5, "close": 10.2, "pre_close": 10.0},
    **{"vol": 100.0, "amount": 1.0},
}
Values = dict[str, object]


def apart(dataset: Dataset, cell: Cell, *rows: Values) -> dict[object, list[str]]:
    """The codes that are set apart, to the rules that they break."""
    fields = list(rows[0])
    items = [[row[name] for name in fields] for row in rows]
    good, broken = set_apart(dataset, cell, typed_rows(dataset, fields, items))
    assert len(good) + len(broken) == len(rows)
    names = [[rule.name for rule in rules] for rules in broken.rules]
    return dict(zip(broken.rows.column("ts_code"), names, strict=True)) if broken.rules else {}


def bar(code: str, values: Mapping[str, object] = BAR, *, date: str = DAY.key) -> Values:
    return {"ts_code": code, "trade_date": date, **BAR, **values}


@pytest.mark.parametrize(
    ("values", "rules"),
    [
        ({"high": 9.0}, ["high_below_low", "open_outside", "close_outside"]),
        ({"open": 9.4}, ["open_outside"]),
        ({"open": 10.6}, ["open_outside"]),
        ({"close": 9.4}, ["close_outside"]),
        ({"close": 10.6}, ["close_outside"]),
        ({"open": 0.0, "low": 0.0}, ["no_price"]),
        ({"open": -1.0, "low": -1.0}, ["no_price"]),
    ],
)
def test_a_bar_that_cannot_be_is_set_apart(values: Values, rules: list[str]) -> None:
    rows = (bar("600000.SH"), bar("600001.SH", values))
    assert apart(DAILY, DAY, *rows) == {"600001.SH": rules}


def test_no_price_on_a_day_without_trades_breaks_no_rule() -> None:
    nothing = dict.fromkeys(BAR, 0.0)
    assert apart(DAILY, DAY, bar("600000.SH", nothing)) == {}


def test_a_bar_at_the_limits_of_its_range_breaks_no_rule() -> None:
    flat = dict.fromkeys(("open", "high", "low", "close"), 11.0)
    assert apart(DAILY, DAY, bar("600000.SH", flat)) == {}


@pytest.mark.parametrize(
    ("dataset", "column", "rule"),
    [(ADJ_FACTOR, "adj_factor", "no_factor"), (DAILY_BASIC, "close", "no_close")],
)
@pytest.mark.parametrize("value", [0.0, -0.5])
def test_a_factor_or_close_of_nothing_is_set_apart(
    dataset: Dataset, column: str, rule: str, value: float
) -> None:
    rows = [
        {"ts_code": code, "trade_date": DAY.key, column: given}
        for code, given in (("600000.SH", 1.5), ("600001.SH", value))
    ]
    assert apart(dataset, DAY, *rows) == {"600001.SH": [rule]}


def test_a_row_on_a_closed_day_is_set_apart_from_1996_on() -> None:
    hold_calendar(2020)
    saturday, friday = bar("000001.SH", date="20200111"), bar("000001.SH", date="20200110")
    assert apart(INDEX_DAILY, YEAR, friday, saturday) == {"000001.SH": ["closed_day"]}
    assert apart(INDEX_DAILY, YEAR, friday) == {}


def test_a_row_on_a_closed_day_before_1996_is_real() -> None:
    hold_calendar(1992)
    sunday = bar("000001.SH", date="19921004")
    assert apart(INDEX_DAILY, Cell("000001.SH:1992"), sunday) == {}
