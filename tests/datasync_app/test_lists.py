"""The lists of the admin: a longer one asks the database nothing more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasync_app.models import (
    SyncFailureRecord,
    SyncQuarantine,
    SyncRestatement,
    TaskStatus,
)
from tests.datasync_app.factories import (
    NOW,
    EndpointAccessFactory,
    LedgerFactory,
    StockBasicFactory,
    SyncTaskFactory,
    TushareCallFactory,
)
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db


def cell(number: int) -> None:
    day = dt.date(2020, 1, 1) + dt.timedelta(days=number)
    LedgerFactory.create(cell_date=day, state="partial", missing={"600000.SH": "unexplained"})


def failure(number: int) -> None:
    SyncFailureRecord.objects.create(
        job_type="x", code=f"{number}", error_message="It broke.", last_attempt_at=NOW
    )


def quarantine(number: int) -> None:
    SyncQuarantine.objects.create(
        dataset="daily", cell="20200109", key={"ts_code": f"{number}"}, row={}, rules="high",
        reason="the high is low", at=NOW, last_seen_at=NOW,
    )  # fmt: skip


def restatement(number: int) -> None:
    SyncRestatement.objects.create(
        dataset="daily", cell="20200109", kind="changed", key={"ts_code": f"{number}"},
        column="close", old="1", new="2", at=NOW,
    )  # fmt: skip


LISTS: dict[str, Callable[[int], object]] = {
    "syncledger/": cell,
    "syncledger/calendar/": cell,
    "synctask/": lambda number: SyncTaskFactory.create(status=TaskStatus.COMPLETED),
    "syncfailurerecord/": failure,
    "syncquarantine/": quarantine,
    "syncrestatement/": restatement,
    "stockbasic/": lambda number: StockBasicFactory.create(),
    "endpointaccess/": lambda number: EndpointAccessFactory.create(api_name=f"api_{number}"),
    "tusharecall/": lambda number: TushareCallFactory.create(),
    "callday/": lambda number: TushareCallFactory.create(api_name=f"api_{number}"),
}


@pytest.mark.parametrize("path", LISTS)
def test_a_longer_list_takes_no_more_queries(path: str) -> None:
    client = logged_in(superuser=True)
    counts = []
    for numbers in (range(3), range(3, 23)):
        for number in numbers:
            LISTS[path](number)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/admin/datasync_app/{path}").status_code == 200
        counts.append(len(queries))
    assert counts[1] <= counts[0]
    assert counts[0] <= 15


def test_of_a_rule_that_is_no_more_the_quarantine_tells_what_it_said() -> None:
    quarantine(1)
    page = logged_in(superuser=True).get("/admin/datasync_app/syncquarantine/")
    assert "the high is low" in page.content.decode()


@pytest.fixture
def page() -> Callable[[str], str]:
    client = logged_in(superuser=True)
    return lambda path: client.get(f"/admin/datasync_app/{path}").content.decode()


def test_a_row_in_quarantine_is_told_by_its_key_and_shown_as_its_source_orders_it(
    page: Callable[[str], str],
) -> None:
    cell = LedgerFactory.create(dataset="daily", cell_date=dt.date(2020, 1, 9))
    entry = SyncQuarantine.objects.create(
        dataset="daily", cell="20200109", rules="high_below_low", reason="", at=NOW, last_seen_at=NOW,
        key={"content": "0a1b2c", "ts_code": "600000.SH", "trade_date": "20200109"},
        row={"low": 2.0, "high": 1.0, "ts_code": "600000.SH", "gone": 1, "trade_date": "20200109"},
    )  # fmt: skip
    listed = page("syncquarantine/")
    assert "600000.SH 20200109" in listed and "0a1b2c" not in listed
    shown = page(f"syncquarantine/{entry.pk}/change/")
    assert f"/admin/datasync_app/syncledger/{cell.pk}/change/" in shown
    order = ["ts_code", "trade_date", "high", "low", "gone"]
    places = [shown.index(f"&quot;{name}&quot;:") for name in order]
    assert places == sorted(places)


def test_a_restatement_is_told_in_words(page: Callable[[str], str]) -> None:
    SyncRestatement.objects.create(
        dataset="daily", cell="20200109", kind="gone", at=NOW, new=None,
        key={"ts_code": "600000.SH", "trade_date": "20200109"}, old={"open": 2.0, "close": 1.5},
    )  # fmt: skip
    listed = page("syncrestatement/")
    assert "600000.SH 20200109" in listed and "open 2.0, close 1.5" in listed


def test_a_failure_tells_the_beginning_of_a_long_error(page: Callable[[str], str]) -> None:
    SyncFailureRecord.objects.create(
        job_type="x", code="600000.SH", error_message="It broke. " * 90, last_attempt_at=NOW
    )
    listed = page("syncfailurerecord/")
    assert "It broke. It broke." in listed and "It broke. " * 21 not in listed
    assert "0 of 3" in listed
