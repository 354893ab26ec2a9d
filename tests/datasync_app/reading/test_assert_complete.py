"""`assert_complete` in SQL: silent where the ledger proves the range, else an error with the list."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction

from datasync_app.models import CellState, TradeCal
from tests.datasync_app.factories import LedgerFactory

pytestmark = pytest.mark.django_db

WEEK = [dt.date(2020, 1, 6) + dt.timedelta(days=n) for n in range(7)]


@pytest.fixture(autouse=True)
def calendar() -> None:
    LedgerFactory.create(dataset="trade_cal", cell="SSE:2020", cell_date=None)
    for day in WEEK:
        for exchange in ("SSE", "SZSE"):
            TradeCal.objects.create(exchange=exchange, cal_date=day, is_open=day.weekday() < 5)


def prove(dataset: str = "daily", first: dt.date = WEEK[0], last: dt.date = WEEK[-1]) -> str:
    """What it complains of, or nothing."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT assert_complete(%s, %s, %s)", [dataset, first, last])
    except DatabaseError as error:
        return str(error)
    return ""


def hold(*days: dt.date, dataset: str = "daily", state: str = CellState.COMPLETE) -> None:
    for day in days:
        LedgerFactory.create(dataset=dataset, cell_date=day, state=state)


def test_it_is_silent_where_every_open_day_is_good() -> None:
    hold(*WEEK[:5])
    assert prove() == ""


def test_an_empty_day_that_is_confirmed_is_good() -> None:
    hold(*WEEK[:5], dataset="suspend_d", state=CellState.EMPTY_CONFIRMED)
    assert prove("suspend_d") == ""


def test_it_names_each_day_that_is_not_good_and_why() -> None:
    hold(*WEEK[:3])
    LedgerFactory.create(
        cell_date=WEEK[3], state=CellState.PARTIAL, last_error="15 codes are missing"
    )
    complaint = prove()
    assert "daily is not complete from 2020-01-06 to 2020-01-12: 2 of its days" in complaint
    assert "20200109 (partial: 15 codes are missing); 20200110 (never fetched)" in complaint


def test_another_dataset_proves_nothing() -> None:
    hold(*WEEK[:5], dataset="daily")
    assert "20200106 (never fetched)" in prove("adj_factor")


def test_a_day_that_either_exchange_opens_counts() -> None:
    hold(*WEEK[:5])
    TradeCal.objects.filter(cal_date=WEEK[5], exchange="SZSE").update(is_open=1)
    assert "20200111" in prove()


def test_it_says_which_calendar_is_not_held() -> None:
    hold(*WEEK[:5])
    assert "The calendar of 2019, 2021 is not held" in prove(
        first=dt.date(2019, 12, 1), last=dt.date(2021, 1, 5)
    )


def test_it_refuses_what_it_cannot_prove() -> None:
    assert "for fina_indicator ask manage.py coverage" in prove("fina_indicator")
    assert "The range is empty" in prove(first=WEEK[3], last=WEEK[0])


def test_a_long_list_is_cut_in_the_message_and_whole_in_its_detail() -> None:
    for n in range(7, 60):
        TradeCal.objects.create(exchange="SSE", cal_date=WEEK[0] + dt.timedelta(days=n), is_open=1)
    complaint = prove(last=dt.date(2020, 3, 31))
    message, _, detail = complaint.partition("DETAIL")
    assert "58 of its days" in message and "; and more" in message
    assert message.count("never fetched") == 20
    assert detail.count("never fetched") == 58
