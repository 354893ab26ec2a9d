"""Coverage tells what is late from what is missing, and what is in dispute, doubt or quarantine."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.core.management import call_command

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.finance import DISCLOSURE_DATE, FINA_INDICATOR
from datasync_app.datasets.market import ADJ_FACTOR, DAILY, INDEX_DAILY, NAMECHANGE
from datasync_app.dates import SHANGHAI
from datasync_app.engine import horizon
from datasync_app.engine.coverage import Coverage, cover
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.models import CellState, SyncQuarantine
from tests.datasync_app.factories import LedgerFactory, hold_calendar

pytestmark = pytest.mark.django_db

FRIDAY = dt.date(2020, 1, 10)
NOW = dt.datetime(2020, 1, 10, 20, 0, tzinfo=SHANGHAI)
WEEK = (dt.date(2020, 1, 6), FRIDAY)


def week(**states: object) -> Coverage:
    """The coverage of `daily` in a week whose days are good, save as given: d08={"state": …}."""
    hold_calendar(2020)
    for day in range(6, 11):
        given = states.get(f"d{day:02d}", {})
        if given is not None:
            assert isinstance(given, dict)
            LedgerFactory.create(cell_date=dt.date(2020, 1, day), fetched_at=NOW, **given)
    return cover(DAILY, *WEEK, now=NOW)


def test_a_day_never_fetched_or_without_rows_is_late_and_a_partial_one_is_missing() -> None:
    coverage = week(
        d08=None,
        d09={"state": CellState.DUE, "received_rows": 0, "last_error": "no rows of that day yet"},
        d10={"state": CellState.PARTIAL, "last_error": "15 expected codes are missing"},
    )
    assert coverage.late == {"20200108", "20200109"}
    assert coverage.open_cells.keys() - coverage.late == {"20200110"}
    assert "2 late, 1 missing" in coverage.sentence()
    assert coverage.lines() == [
        "20200110: missing: partial: 15 expected codes are missing",
        "20200109: late: due: no rows of that day yet",
        "20200108: late: never fetched",
    ]
    assert coverage.as_json()["cells_late"] == ["20200108", "20200109"]
    assert coverage.as_json()["cells_missing"] == ["20200110"]


def test_a_dispute_is_good_but_not_undisputed() -> None:
    coverage = week(d09={"disputes": {"000018.SZ": ["daily_basic"]}})
    assert coverage.is_good and not coverage.is_undisputed
    assert "1 codes in dispute" in coverage.sentence()


def test_a_doubt_is_good_but_not_undisputed() -> None:
    doubt = {"since": (NOW - dt.timedelta(hours=1)).isoformat(), "digest": "x"}
    coverage = week(d09={"doubt": doubt, "last_error": "the source now lacks 3 rows"})
    assert coverage.is_good and not coverage.is_undisputed
    assert coverage.lines() == [
        "20200109: in doubt since 2020-01-10 19:00 +0800: the source now lacks 3 rows"
    ]


def test_rows_in_quarantine_are_counted_by_cell() -> None:
    row = {"dataset": "daily", "cell": "20200109", "row": {}, "rules": "x", "reason": "y"}
    for code in ("000001.SZ", "000002.SZ"):
        SyncQuarantine.objects.create(key={"ts_code": code}, at=NOW, last_seen_at=NOW, **row)
    SyncQuarantine.objects.create(
        key={"ts_code": "000003.SZ"}, at=NOW, last_seen_at=NOW, resolved_at=NOW, **row
    )
    coverage = week()
    assert coverage.quarantined == {"20200109": 2}
    assert coverage.lines() == ["20200109: 2 rows in quarantine"]
    assert not coverage.is_undisputed


def test_strict_fails_where_plain_does_not() -> None:
    week(d09={"disputes": {"000018.SZ": ["daily_basic"]}})
    dates = ["daily", "--start", "20200106", "--end", "20200110"]
    out = io.StringIO()
    call_command("coverage", *dates, stdout=out)
    assert "20200109: in dispute: daily_basic has 000018.SZ" in out.getvalue()
    with pytest.raises(SystemExit) as end:
        call_command("coverage", *dates, "--strict", stdout=out)
    assert end.value.code == 1


def test_a_denied_dataset_is_one_sentence_and_not_red() -> None:
    hold_calendar(2020)
    denied = f"{NOT_AVAILABLE}: no permission"
    LedgerFactory.create(
        dataset="adj_factor", cell_date=FRIDAY, state=CellState.DUE, received_rows=0,
        last_error=denied,
    )  # fmt: skip
    coverage = cover(ADJ_FACTOR, *WEEK, now=NOW)
    assert (coverage.said, coverage.is_undisputed) == (denied, True)


@pytest.mark.parametrize(
    ("dataset", "asked_for"),
    [(DISCLOSURE_DATE, "disclosure_date"), (FINA_INDICATOR, "stock_basic")],
)
def test_finance_that_a_token_never_got_to_ask_for_is_not_red(
    dataset: Dataset, asked_for: str
) -> None:
    assert not cover(dataset, None, None, now=NOW).is_good
    denied = f"{NOT_AVAILABLE}: no permission"
    LedgerFactory.create(
        dataset=asked_for, cell="L", cell_date=None, state=CellState.DUE, received_rows=0,
        last_error=denied,
    )  # fmt: skip
    coverage = cover(dataset, None, None, now=NOW)
    assert coverage.is_undisputed
    assert denied in coverage.said


def test_an_index_year_that_lacks_its_newest_day_is_late() -> None:
    hold_calendar(2020)
    for code in ("000001.SH", "399001.SZ", "000300.SH"):
        fetched = NOW - (dt.timedelta(days=1) if code == "000300.SH" else dt.timedelta(hours=1))
        LedgerFactory.create(
            dataset="index_daily", cell=f"{code}:2020", cell_date=None, fetched_at=fetched
        )
    coverage = cover(INDEX_DAILY, *WEEK, now=NOW)
    assert coverage.open_cells == {"000300.SH:2020": "its newest day is not fetched yet"}
    assert coverage.late == {"000300.SH:2020"}


def test_a_whole_list_is_one_cell() -> None:
    assert list(cover(NAMECHANGE, None, None, now=NOW).open_cells) == ["all"]
    LedgerFactory.create(dataset="namechange", cell="all", cell_date=None, fetched_at=NOW)
    assert cover(NAMECHANGE, None, None, now=NOW).is_undisputed


def test_each_dataset_is_covered_from_its_own_horizon() -> None:
    hold_calendar(2020)
    horizon.move_earlier(DAILY, dt.date(2020, 1, 6))
    horizon.move_earlier(ADJ_FACTOR, dt.date(2020, 1, 9))
    assert len(cover(DAILY, None, None, now=NOW).open_cells) == 5
    assert len(cover(ADJ_FACTOR, None, None, now=NOW).open_cells) == 2
