"""The year of a dataset as a calendar, and what is decided about one of its cells."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from datasync_app import heat_map
from datasync_app.datasets import DATASETS
from datasync_app.models import CellState, DatasetState, SyncLedger
from tests.datasync_app.factories import LedgerFactory, hold_calendar
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

LIST = "/admin/datasync_app/syncledger/"
CALENDAR = f"{LIST}calendar/"
NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=dt.UTC)


def day(number: int) -> dt.date:
    return dt.date(2020, 1, number)


def shown(dataset: str = "daily") -> dict[dt.date, heat_map.Day]:
    months = heat_map.months(DATASETS[dataset], 2020, now=NOW)
    return {day.date: day for month in months for week in month.weeks for day in week if day}


@pytest.fixture
def staff() -> Client:
    return logged_in("view_syncledger", "change_syncledger")


@pytest.fixture
def partial() -> SyncLedger:
    return LedgerFactory.create(
        state=CellState.PARTIAL,
        missing={"600000.SH": "unexplained", "600004.SH": "suspended all day"},
        disputes={"600006.SH": ["adj_factor"]},
        last_error="1 expected code is missing",
    )


def test_a_day_is_told_by_its_state_and_sign() -> None:
    LedgerFactory.create(cell_date=day(8), received_rows=7)
    LedgerFactory.create(cell_date=day(9), state=CellState.PARTIAL, disputes={"a": ["b"]})
    LedgerFactory.create(cell_date=day(10), accepted_by="boss")
    days = shown()
    assert (min(days), max(days)) == (day(1), day(31))
    assert (days[day(8)].sign, days[day(8)].said) == ("✓", "2020-01-08: complete, 7 rows")
    assert (days[day(9)].state, days[day(9)].sign) == ("partial", "◐!")
    assert days[day(10)].state == heat_map.ACCEPTED


def test_an_open_day_from_the_horizon_on_that_was_never_fetched_is_seen() -> None:
    hold_calendar(2020, closed={day(8)})
    DatasetState.objects.create(dataset="daily", horizon=day(7))
    states = {date: each.state for date, each in shown().items() if each.state}
    assert states == dict.fromkeys([day(7), day(9), day(10)], heat_map.NEVER)


def test_a_day_of_several_cells_is_as_good_as_its_worst() -> None:
    period = dt.date(2020, 3, 31)
    for code, state in (("a", CellState.COMPLETE), ("b", CellState.FAILED)):
        LedgerFactory.create(dataset="fina_indicator", cell=code, cell_date=period, state=state)
    found = shown("fina_indicator")[period]
    assert (found.state, found.cells, found.cell_id) == ("failed", 2, None)


def test_the_page_leads_to_each_cell_with_the_same_queries_for_many(staff: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            staff.get(f"{CALENDAR}?dataset=daily&year=2020")
        return len(queries)

    entry = LedgerFactory.create()
    asked()
    few = asked()
    for number in range(10, 30):
        LedgerFactory.create(cell_date=day(number))
    assert asked() == few <= 14
    text = staff.get(CALENDAR).content.decode()
    assert f'href="{LIST}{entry.pk}/change/"' in text
    assert 'aria-label="2020-01-09: complete, 1 rows"' in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("dataset=<b>", "is no dataset of the ledger; it has daily"),
        ("dataset=daily&year=1", "is no year of the ledger; it has 2020"),
        ("year=99999999999999999999", "is no year of the ledger"),
    ],
)
def test_what_the_ledger_has_not_is_answered_with_a_sentence(
    staff: Client, query: str, words: str
) -> None:
    LedgerFactory.create()
    answer = staff.get(f"{CALENDAR}?{query}")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert words in text and "<b>" not in text
    assert "2020-01" in text


def test_an_empty_ledger_has_a_page(staff: Client) -> None:
    assert "Nothing was fetched yet." in staff.get(CALENDAR).content.decode()


def test_a_cell_names_what_it_lacks_and_why(staff: Client, partial: SyncLedger) -> None:
    text = staff.get(f"{LIST}{partial.pk}/change/").content.decode()
    for words in (
        "unexplained (1): 600000.SH",
        "suspended all day (1): 600004.SH",
        "held by adj_factor (1): 600006.SH",
        "1 expected code is missing",
    ):
        assert words in text


def test_a_partial_cell_is_accepted_for_a_reason(staff: Client, partial: SyncLedger) -> None:
    address = f"{LIST}{partial.pk}/decide/"
    answer = staff.post(address, {"wish": "accept", "reason": " "}, follow=True)
    assert "takes a person" in answer.content.decode()
    staff.post(address, {"wish": "accept", "reason": "boards were closed"})
    partial.refresh_from_db()
    assert (partial.state, partial.accepted_reason) == ("complete", "boards were closed")
    staff.post(address, {"wish": "ask_again"})
    partial.refresh_from_db()
    assert partial.state == "partial" and partial.next_attempt_at is not None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"wish": "drop"}, "can be repaired, asked for again, or accepted"),
        ({"wish": "accept", "reason": "a\x00b"}, "Null characters are not allowed"),
        ({"wish": "accept", "reason": "x" * 1001}, "at most 1000 characters"),
    ],
)
def test_what_cannot_be_decided_is_refused_with_a_sentence(
    staff: Client, partial: SyncLedger, body: dict[str, str], words: str
) -> None:
    answer = staff.post(f"{LIST}{partial.pk}/decide/", body, follow=True)
    assert words in answer.content.decode()
    partial.refresh_from_db()
    assert partial.state == "partial"


def test_who_may_only_look_decides_nothing(partial: SyncLedger) -> None:
    looker = logged_in("view_syncledger")
    address = f"{LIST}{partial.pk}/decide/"
    assert address not in looker.get(f"{LIST}{partial.pk}/change/").content.decode()
    assert looker.post(address, {"wish": "ask_again"}).status_code == 403
    assert looker.get(address).status_code == 405
    assert logged_in().get(CALENDAR).status_code == 403
