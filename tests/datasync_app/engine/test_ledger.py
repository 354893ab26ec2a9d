"""When a cell is asked for again, and what a person may decide about it."""

from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.datasets import DAILY
from datasync_app.datasets.base import Cell
from datasync_app.dates import SHANGHAI
from datasync_app.engine import ledger
from datasync_app.engine.checks import Verdict
from datasync_app.errors import LedgerRefused
from datasync_app.models import CellState, SyncLedger
from tests.datasync_app.factories import LedgerFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI)
TODAY, LAST_YEAR = dt.date(2020, 1, 10), dt.date(2019, 1, 10)
PARTIAL = Verdict(CellState.PARTIAL, 2, {"600001.SH": "unexplained"}, "one is missing")


def cell_of(date: dt.date) -> Cell:
    return Cell(f"{date:%Y%m%d}", date)


def judged(verdict: Verdict, date: dt.date = TODAY, now: dt.datetime = NOW) -> SyncLedger:
    entry = ledger.locked_entry(DAILY, cell_of(date))
    ledger.write_verdict(entry, verdict, received=1, fingerprint="f", now=now)
    return entry


def waits(date: dt.date, attempts: int) -> list[int]:
    """Minutes between attempts that all fall short, made as soon as they may be."""
    now, minutes = NOW, []
    for _ in range(attempts):
        entry = judged(PARTIAL, date, now)
        assert entry.next_attempt_at
        minutes.append(int((entry.next_attempt_at - now).total_seconds()) // 60)
        now = entry.next_attempt_at
    return minutes


def test_what_is_just_being_published_is_asked_for_soon_and_ever_less_often() -> None:
    assert waits(TODAY, 8) == [10, 15, 20, 30, 60, 120, 240, 480]


def test_an_old_day_waits_from_half_an_hour_up_to_half_a_day() -> None:
    assert waits(LAST_YEAR, 7) == [30, 60, 120, 240, 480, 720, 720]


def test_the_row_is_made_once_and_read_as_it_is_stored() -> None:
    first = judged(PARTIAL)
    again = ledger.locked_entry(DAILY, cell_of(TODAY))
    assert again.pk == first.pk
    assert again.missing == {"600001.SH": "unexplained"}
    assert (again.cell_date, again.attempts, again.state) == (TODAY, 1, CellState.PARTIAL)


def test_a_failed_second_look_leaves_a_good_cell_good() -> None:
    entry = judged(Verdict(CellState.COMPLETE, 1))
    ledger.write_problem(entry, CellState.FAILED, "no answer", now=NOW, retry_at=None)
    assert (entry.state, entry.next_attempt_at) == (CellState.COMPLETE, None)


def test_what_a_person_accepts_is_complete_with_their_name_and_reason() -> None:
    judged(PARTIAL)
    entry = ledger.accept(DAILY, "20200110", "ana", "checked at the exchange", now=NOW)
    assert (entry.state, entry.next_attempt_at) == (CellState.COMPLETE, None)
    assert (entry.accepted_by, entry.accepted_reason) == ("ana", "checked at the exchange")
    assert entry.missing == {"600001.SH": "unexplained"}


def test_an_accepted_cell_stays_complete_until_something_else_is_missing() -> None:
    judged(PARTIAL)
    ledger.accept(DAILY, "20200110", "ana", "checked", now=NOW)
    assert judged(PARTIAL).state == CellState.COMPLETE
    worse = Verdict(CellState.PARTIAL, 3, {"600001.SH": "unexplained", "600002.SH": "unexplained"})
    entry = judged(worse)
    assert (entry.state, entry.accepted_by) == (CellState.PARTIAL, "")


@pytest.mark.parametrize(
    ("cell", "who", "reason", "sentence"),
    [
        ("20200110", "ana", "checked", "20200110 is failed; only a partial cell"),
        ("20200111", "ana", "checked", "has no cell '20200111' of daily"),
        ("20200110", "", "checked", "takes a person's name and a reason"),
        ("20200110", "ana", " ", "takes a person's name and a reason"),
    ],
)
def test_what_cannot_be_accepted_is_refused_in_one_sentence(
    cell: str, who: str, reason: str, sentence: str
) -> None:
    LedgerFactory.create(cell_date=TODAY, state=CellState.FAILED)
    with pytest.raises(LedgerRefused, match=sentence):
        ledger.accept(DAILY, cell, who, reason, now=NOW)


def test_a_reset_asks_again_at_once_and_takes_an_acceptance_back() -> None:
    judged(PARTIAL)
    ledger.accept(DAILY, "20200110", "ana", "checked", now=NOW)
    later = NOW + dt.timedelta(hours=1)
    entry = ledger.reset(DAILY, "20200110", now=later)
    assert (entry.state, entry.attempts, entry.next_attempt_at) == (CellState.PARTIAL, 0, later)
    assert entry.accepted_by == ""
    assert ledger.next_attempt(["daily"]) == later
