"""The universe of a day: delisted and renumbered instruments included, each counted once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from datasync_app.models import CodeChange, Daily, NameChange
from tests.datasync_app.factories import StockBasicFactory

pytestmark = pytest.mark.django_db

DAY = dt.date(2019, 10, 25)
Row = tuple[str, str, str | None, bool]


def universe(day: dt.date = DAY) -> list[Row]:
    """(ts_code, instrument, name, has_bar), by code."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ts_code, instrument, name, has_bar FROM universe(%s) ORDER BY ts_code", [day]
        )
        return cursor.fetchall()


def codes(day: dt.date = DAY) -> list[str]:
    return [row[0] for row in universe(day)]


def bar(code: str, day: dt.date = DAY) -> None:
    Daily.objects.create(ts_code=code, trade_date=day, close=10.0)


def test_a_company_that_was_delisted_later_is_in_it() -> None:
    StockBasicFactory.create(ts_code="600001.SH", list_status="D", delist_date=dt.date(2021, 1, 4))
    assert codes() == ["600001.SH"]
    assert codes(dt.date(2021, 1, 3)) == ["600001.SH"]
    assert codes(dt.date(2021, 1, 4)) == []


def test_a_company_that_was_not_yet_listed_is_not_in_it() -> None:
    StockBasicFactory.create(ts_code="600001.SH", list_date=dt.date(2019, 10, 28))
    assert codes() == []
    assert codes(dt.date(2019, 10, 28)) == ["600001.SH"]


def test_a_paused_company_is_in_it_without_a_bar() -> None:
    StockBasicFactory.create(ts_code="600001.SH", name="Paused", list_status="P")
    assert universe() == [("600001.SH", "600001.SH", "Paused", False)]


def test_a_delisted_company_of_which_nobody_knows_when_counts_where_it_has_a_bar() -> None:
    StockBasicFactory.create(ts_code="600001.SH", list_status="D", delist_date=None)
    assert codes() == []
    bar("600001.SH")
    assert codes() == ["600001.SH"]


def test_a_code_that_only_has_a_bar_is_in_it() -> None:
    bar("600002.SH")
    assert universe() == [("600002.SH", "600002.SH", None, True)]


def test_beijing_counts_from_its_first_day() -> None:
    StockBasicFactory.create(ts_code="430001.BJ", list_date=dt.date(2015, 1, 5))
    assert codes(dt.date(2021, 11, 12)) == []
    assert codes(dt.date(2021, 11, 15)) == ["430001.BJ"]


@pytest.fixture
def renumbered() -> None:
    """One instrument: A until 2020, then B, and from 2023 on C."""
    CodeChange.objects.all().delete()
    for old, new, year in (("A.SZ", "B.SZ", 2020), ("B.SZ", "C.SZ", 2023)):
        CodeChange.objects.create(old_code=old, new_code=new, from_date=dt.date(year, 1, 2))


@pytest.mark.usefixtures("renumbered")
@pytest.mark.parametrize(
    ("day", "code"),
    [
        (dt.date(2019, 10, 25), "A.SZ"),
        (dt.date(2021, 10, 25), "B.SZ"),
        (dt.date(2024, 10, 25), "C.SZ"),
    ],
)
def test_a_renumbered_instrument_counts_once_under_the_code_of_the_day(
    day: dt.date, code: str
) -> None:
    for each in ("A.SZ", "B.SZ", "C.SZ"):
        StockBasicFactory.create(ts_code=each, name=each)
    assert universe(day) == [(code, "C.SZ", code, False)]


@pytest.mark.usefixtures("renumbered")
def test_the_code_that_the_bar_has_is_taken() -> None:
    for each in ("A.SZ", "C.SZ"):
        StockBasicFactory.create(ts_code=each)
    bar("C.SZ")  # histories come under the new code
    assert [row[:2] for row in universe()] == [("C.SZ", "C.SZ")]


@pytest.mark.usefixtures("renumbered")
def test_the_new_code_alone_stands_for_the_instrument() -> None:
    StockBasicFactory.create(ts_code="C.SZ")
    assert [row[:2] for row in universe()] == [("C.SZ", "C.SZ")]


def test_the_name_is_that_of_the_day() -> None:
    StockBasicFactory.create(ts_code="600001.SH", name="New")
    NameChange.objects.create(
        ts_code="600001.SH", name="Old", start_date=dt.date(2000, 1, 4),
        end_date=dt.date(2020, 5, 5),
    )  # fmt: skip
    NameChange.objects.create(ts_code="600001.SH", name="New", start_date=dt.date(2020, 5, 6))
    assert universe()[0][2] == "Old"
    assert universe(dt.date(2020, 5, 6))[0][2] == "New"
