"""Past days of the journal are counted once: the pages of the calls cost what came since."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasync_app.models import CallDay, PastDay, TushareCall
from datasync_app.tushare.database import QuotaDatabase, Values
from datasync_app.tushare.journal import CallJournal, JournalEntry
from tests.datasync_app.factories import TushareCallFactory
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

# Just after midnight in Shanghai, and an hour before.
MIDNIGHT = dt.datetime(2026, 5, 6, 16, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


class TestConnection(QuotaDatabase):
    """The connection of the test, so that nothing is committed."""

    __test__ = False

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)  # type: ignore[arg-type]  # as the base
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def journal() -> CallJournal:
    return CallJournal(TestConnection())


def shown() -> list[tuple[Any, ...]]:
    days = CallDay.objects.order_by("day", "api_name")
    return list(days.values_list("day", "api_name", "calls", "rows", "p95_ms", "quota_used"))


def test_a_day_is_counted_once_it_is_an_hour_over(journal: CallJournal) -> None:
    for hours, api_name in ((-30, "daily"), (-30, "daily"), (-2, "adj_factor"), (1, "daily")):
        TushareCallFactory.create(at=MIDNIGHT + hours * HOUR, api_name=api_name)
    before = shown()
    journal.count_past_days(MIDNIGHT + HOUR / 2)
    assert [day.day for day in PastDay.objects.all()] == [dt.date(2026, 5, 5)]
    journal.count_past_days(MIDNIGHT + HOUR)
    assert {(day.day.day, day.api_name) for day in PastDay.objects.all()} == {
        (5, "daily"),
        (6, "adj_factor"),
    }
    assert shown() == before
    assert [row[2] for row in before] == [2, 1, 1]


def test_what_was_counted_outlives_its_calls_and_is_not_read_again(journal: CallJournal) -> None:
    TushareCallFactory.create_batch(3, at=MIDNIGHT - HOUR)
    journal.count_past_days(MIDNIGHT + DAY)
    told = shown()
    TushareCall.objects.all().delete()
    assert shown() == told
    TushareCallFactory.create(at=MIDNIGHT - HOUR)
    assert shown() == told


def test_days_without_a_call_keep_no_later_day_from_being_counted(journal: CallJournal) -> None:
    for days in (9, 5, 1):
        TushareCallFactory.create(at=MIDNIGHT - days * DAY - HOUR)
    journal.count_past_days(MIDNIGHT)
    assert PastDay.objects.count() == 3


def test_what_is_written_late_is_counted_too(journal: CallJournal) -> None:
    for days in (3, 2, 1):
        TushareCallFactory.create(at=MIDNIGHT - days * DAY)
    journal.count_past_days(MIDNIGHT + DAY)
    late = JournalEntry(MIDNIGHT - 2 * DAY, "0" * 12, "daily", {}, 1, 0, 195, 1, "rows", 0, "")
    journal._write([late])
    assert [row[0].day for row in shown()] == [4, 5, 5, 6]
    journal.count_past_days(MIDNIGHT + DAY)
    assert PastDay.objects.count() == 4


def test_the_list_of_days_reads_no_call_that_was_counted(journal: CallJournal) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tushare_call (at, token_fingerprint, api_name, params, duration_ms,
                waited_ms, quota, rows, outcome, message)
            SELECT %s - n * interval '1 minute', 'a', 'daily', '{}', 1, 0, 195, 1, 'rows', ''
            FROM generate_series(1, 20000) AS n
            """,
            [MIDNIGHT],
        )
        journal.count_past_days(MIDNIGHT + DAY)
        cursor.execute("ANALYZE tushare_call")
        cursor.execute("SELECT idx_tup_fetch, seq_tup_read FROM pg_stat_xact_user_tables"
                       " WHERE relname = 'tushare_call'")  # fmt: skip
        before = sum(cursor.fetchone())
        assert sum(row[2] for row in shown()) == 20_000
        cursor.execute("SELECT idx_tup_fetch, seq_tup_read FROM pg_stat_xact_user_tables"
                       " WHERE relname = 'tushare_call'")  # fmt: skip
        assert sum(cursor.fetchone()) - before < 100


def test_the_page_of_the_journal_asks_for_no_more_than_it_shows() -> None:
    TushareCallFactory.create_batch(60)  # more than a page
    with CaptureQueriesContext(connection) as queries:
        page = logged_in(superuser=True).get("/admin/datasync_app/tusharecall/")
    assert page.status_code == 200
    asked = [each["sql"] for each in queries if '"tushare_call"' in each["sql"]]
    assert asked and all("LIMIT" in each for each in asked)
    # Neither the months that there are, nor the endpoints: both would read the whole journal.
    assert not any(word in each for each in asked for word in ("DISTINCT", "MIN(", "MAX("))
