"""What data rest on: complete stretches, exceptions, restatements, and digests that anyone can redo."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from datasync_app.datasets import DATASETS
from datasync_app.models import CellState, Daily, SyncLedger, SyncQuarantine, SyncRestatement
from datasync_app.reports.content import Span, rows_sql
from datasync_app.reports.statement import make_report
from tests.datasync_app.factories import LedgerFactory
from tests.datasync_app.reports.week import CODES, NOW, WEEK, bars, hold_week, make_hole
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

RANGE = ("--start", "20200106", "--end", "20200110")
PAGE = "/admin/datasync_app/syncledger/report/"


@pytest.fixture(autouse=True)
def week() -> None:
    hold_week()


def said(*args: str) -> tuple[str, int]:
    """What the command prints, and its exit status."""
    out = io.StringIO()
    try:
        call_command("report", *args, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


def document(*args: str) -> dict[str, Any]:
    text, _status = said(*RANGE, "--datasets", "daily", "--json", *args)
    read: dict[str, Any] = json.loads(text)
    return read


def digest() -> str:
    return str(document()["digest"]["sha256"])


def test_a_week_that_is_whole() -> None:
    text, status = said(*RANGE, "--datasets", "daily,adj_factor")
    assert status == 0
    assert "daily: complete 20200106 to 20200110; 10 rows\n" in text
    assert text.endswith("Everything due is there.\n")


def test_a_hole_in_one_cell_is_named_and_splits_what_is_complete() -> None:
    make_hole()
    text, status = said(*RANGE, "--datasets", "daily,adj_factor")
    assert status == 1
    assert (
        "daily: complete 20200106 to 20200107, 20200109 to 20200110; 8 rows; 1 cell is not" in text
    )
    assert "  20200108: missing: partial: 1 expected code is missing\n" in text
    assert "  20200108: without a row: unexplained: 600000.SH\n" in text
    assert "adj_factor: complete 20200106 to 20200110; 10 rows\n" in text
    (part,) = document()["datasets"]
    assert part["exceptions"][0] == {
        "cell": "20200108",
        "what": "missing",
        "reason": "partial: 1 expected code is missing",
    }
    assert not part["good"]


def test_every_exception_has_its_reason() -> None:
    cells = SyncLedger.objects.filter(dataset="daily")
    cells.filter(cell_date=WEEK[0]).update(missing={"600004.SH": "suspended all day"})
    cells.filter(cell_date=WEEK[1]).update(accepted_by="boss", accepted_reason="it is so")
    cells.filter(cell_date=WEEK[2]).update(disputes={"600006.SH": ["adj_factor"]})
    cells.filter(cell_date=WEEK[3]).update(
        doubt={"since": "2020-01-09T10:00:00+00:00"}, last_error="the source now lacks 1"
    )
    SyncQuarantine.objects.create(
        dataset="daily", cell="20200110", key={"ts_code": "600007.SH"}, row={}, rules="high",
        reason="its high lies below its low", at=NOW, last_seen_at=NOW,
    )  # fmt: skip
    text, status = said(*RANGE, "--datasets", "daily")
    assert status == 0
    for line in (
        "20200106: without a row: suspended all day: 600004.SH",
        "20200107: accepted: by boss: it is so",
        "20200108: in dispute: held by adj_factor: 600006.SH",
        "20200109: in doubt: in doubt since 2020-01-09 18:00 +0800: the source now lacks 1",
        "20200110: in quarantine: 600007.SH: its high lies below its low",
    ):
        assert f"  {line}\n" in text


def test_what_was_restated_in_the_range_is_told_and_nothing_else() -> None:
    for cell in ("20200107", "20191231"):
        LedgerFactory.create(cell_date=dt.date(2019, 12, 31)) if cell == "20191231" else None
        SyncRestatement.objects.create(
            dataset="daily", cell=cell, kind="value", key={"ts_code": CODES[0]}, column="close",
            old=10.0, new=10.5, at=NOW,
        )  # fmt: skip
    text, _status = said(*RANGE, "--datasets", "daily")
    assert text.count("restated: 000001.SZ close: 10.0 → 10.5") == 1
    (change,) = document()["datasets"][0]["restatements"]
    assert (change["cell"], change["old"], change["new"]) == ("20200107", 10.0, 10.5)


def test_the_digest_can_be_made_by_whoever_has_the_rows() -> None:
    (part,) = document()["datasets"]
    lines = [
        f"{code},{day:%Y-%m-%d},10.1,11,9.5,{close!r},,,,12.5,,,\n".replace("10.0,", "10,", 1)
        for day in WEEK
        for code, close in ((CODES[0], 10.0), (CODES[1], 10 + 1 / 3))
    ]
    assert part["digest"]["rows"]["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    with connection.cursor() as cursor:
        statement = f"COPY ({part['digest']['ledger']['sql']}) TO STDOUT (FORMAT csv)"
        with cursor.copy(statement) as copy:
            ledger = hashlib.sha256(b"".join(bytes(piece) for piece in copy)).hexdigest()
    assert ledger == part["digest"]["ledger"]["sha256"]
    both = f"daily {part['digest']['rows']['sha256']} {ledger}\n"
    assert digest() == hashlib.sha256(both.encode()).hexdigest()


def one_value() -> None:
    Daily.objects.filter(trade_date=WEEK[1], ts_code=CODES[0]).update(close=10.000000000000002)


def a_value_to_nothing() -> None:
    Daily.objects.filter(trade_date=WEEK[1], ts_code=CODES[0]).update(vol=None)


def a_row_less() -> None:
    Daily.objects.filter(trade_date=WEEK[1], ts_code=CODES[0]).delete()


def a_row_more() -> None:
    Daily.objects.create(trade_date=WEEK[1], ts_code="600001.SH")


def a_missing_code() -> None:
    SyncLedger.objects.filter(dataset="daily", cell_date=WEEK[1]).update(missing={"a": "b"})


def a_state() -> None:
    SyncLedger.objects.filter(dataset="daily", cell_date=WEEK[1]).update(state=CellState.PARTIAL)


@pytest.mark.parametrize(
    "change", [one_value, a_value_to_nothing, a_row_less, a_row_more, a_missing_code, a_state]
)
def test_the_digest_changes_with_any_value(change: Callable[[], None]) -> None:
    before = digest()
    change()
    assert digest() != before


def test_the_digest_stays_whatever_the_storage_and_whenever_it_was_read() -> None:
    before = digest()
    Daily.objects.all().delete()
    Daily.objects.bulk_create(reversed(bars()))
    with connection.cursor() as cursor:
        # The columns lie in another order then.
        cursor.execute("ALTER TABLE daily ADD COLUMN other double precision")
        cursor.execute("UPDATE daily SET other = open")
        cursor.execute("ALTER TABLE daily DROP COLUMN open CASCADE")
        cursor.execute("ALTER TABLE daily RENAME COLUMN other TO open")
    SyncLedger.objects.update(fetched_at=NOW, updated_at=NOW, attempts=3)
    Daily.objects.create(trade_date=dt.date(2020, 1, 13), ts_code="600000.SH")  # out of the range
    assert digest() == before


def test_rows_are_read_in_the_order_of_their_index() -> None:
    with connection.cursor() as cursor:
        for way in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            cursor.execute(f"SET LOCAL {way} = off")
        cursor.execute(f"EXPLAIN {rows_sql(DATASETS['daily'], Span(WEEK[0], WEEK[4]))}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Presorted Key: trade_date" in plan or "Sort" not in plan, plan


def test_every_dataset_has_a_part() -> None:
    report = make_report(list(DATASETS.values()), WEEK[0], WEEK[4], now=NOW)
    assert [part.dataset.name for part in report.parts] == list(DATASETS)
    assert not report.is_good
    assert len({part.digests.rows.sha256 for part in report.parts}) == 4  # three that hold rows


def test_a_range_whose_calendar_is_not_held_proves_nothing() -> None:
    text, status = said("--start", "20180101", "--end", "20180110", "--datasets", "daily")
    assert status == 1
    assert "The calendar of 2018 is not held" in text


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert said(*RANGE, "--datasets", "daily", "--json", str(file)) == ("", 0)
    assert json.loads(file.read_text(encoding="utf-8"))["good"] is True
    with pytest.raises(CommandError, match="cannot be written to .*: No such file or directory"):
        said(*RANGE, "--json", str(tmp_path / "none" / "report.json"))


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--start", "2020-01-06", "--end", "20200110"), "--start: '2020-01-06' is not a date"),
        (("--start", "20200110", "--end", "20200106"), "20200110 lies after 20200106"),
        (("--start", "99990101", "--end", "99991231"), "The start 99990101 lies in the future"),
        (
            (*RANGE, "--datasets", "dayly"),
            "'dayly' is not a dataset; the known ones are adj_factor",
        ),
        ((*RANGE, "--datasets", ","), "',' names none"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(args: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*args)


@pytest.fixture
def staff() -> Client:
    return logged_in("view_syncledger")


def test_the_page_says_what_the_command_says(staff: Client) -> None:
    make_hole()
    asked = {"start": "20200106", "end": "20200110", "dataset": ["daily"]}
    page = staff.get(PAGE, asked).content.decode()
    assert "complete 20200106 to 20200107, 20200109 to 20200110" in page
    assert "partial: 1 expected code is missing" in page
    assert "✗ Not everything due is there." in page
    assert digest() in page
    assert "report.css" in page


def test_the_page_begins_with_a_form_and_says_what_is_wrong_with_it(staff: Client) -> None:
    assert "Digest" not in staff.get(PAGE).content.decode()
    page = staff.get(PAGE, {"start": "yesterday", "end": "20200110"}).content.decode()
    assert "&#x27;yesterday&#x27; is not a date as YYYYMMDD." in page
    page = staff.get(PAGE, {"start": "20200110", "end": "20200106"}).content.decode()
    assert "20200110 lies after 20200106" in page
    page = staff.get(
        PAGE, {"start": "20200106", "end": "20200110", "dataset": "x"}
    ).content.decode()
    assert "x is not one of the available choices" in page


def test_the_page_is_for_those_who_may_see_the_ledger() -> None:
    assert logged_in("view_synctask").get(PAGE).status_code == 403
