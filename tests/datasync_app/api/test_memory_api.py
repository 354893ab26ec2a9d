"""What the engine remembers, by the API: lists that go on, and what a person decides about a row."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from datasync_app.dates import SHANGHAI
from datasync_app.models import (
    CellState,
    EndpointAccess,
    SyncFailureRecord,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
    TushareAccount,
)
from datasync_app.models.quota import LIMIT_RULE
from tests.datasync_app.factories import (
    NOW,
    EndpointAccessFactory,
    FailureFactory,
    LedgerFactory,
    TushareCallFactory,
)
from tests.scheduler_app.web import logged_in, post

pytestmark = pytest.mark.django_db

KEY = {"ts_code": "600000.SH", "trade_date": "20200109"}
CELL = {"dataset": "daily", "cell": "20200109"}


@pytest.fixture
def client() -> Client:
    return logged_in("change_syncfailurerecord", "change_endpointaccess")


def listed(client: Client, address: str) -> list[dict[str, Any]]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_cells_are_listed_by_dataset_and_state_page_by_page(client: Client) -> None:
    for day in range(1, 6):
        LedgerFactory.create(cell_date=dt.date(2020, 1, day), state=CellState.PARTIAL)
    LedgerFactory.create(dataset="adj_factor", state=CellState.PARTIAL)
    LedgerFactory.create()
    address = "/api/sync/cells?dataset=daily&state=partial&limit=3"
    first = client.get(address).json()
    assert [row["cell"] for row in first["results"]] == ["20200105", "20200104", "20200103"]
    second = client.get(f"{address}&before={first['next']}").json()
    assert [row["cell"] for row in second["results"]] == ["20200102", "20200101"]
    assert second["next"] is None


def test_cells_of_a_range_of_days_are_listed(client: Client) -> None:
    for day in range(1, 6):
        LedgerFactory.create(cell_date=dt.date(2020, 1, day))
    found = listed(client, "/api/sync/cells?dataset=daily&start=20200102&end=20200103")
    assert [row["cell"] for row in found] == ["20200103", "20200102"]
    assert len(listed(client, "/api/sync/cells?start=20200104")) == 2


def test_restatements_tell_what_was_and_what_is(client: Client) -> None:
    SyncRestatement.objects.create(
        **CELL, kind="value", key=KEY, column="close", old=10.5, new=10.6, at=NOW
    )
    SyncRestatement.objects.create(dataset="daily", cell="20200110", kind="gone", old=KEY, at=NOW)
    (changed,) = listed(client, "/api/sync/restatements?cell=20200109&kind=value")
    assert (changed["column"], changed["old"], changed["new"]) == ("close", 10.5, 10.6)
    assert changed["at"] == "2020-01-11T02:00:00+08:00"
    assert len(listed(client, "/api/sync/restatements")) == 2


def test_quarantine_holds_rows_that_are_open_or_resolved(client: Client) -> None:
    fields = {**CELL, "row": KEY, "rules": "high", "at": NOW, "last_seen_at": NOW}
    SyncQuarantine.objects.create(**fields, key=KEY, reason="high is under low")
    SyncQuarantine.objects.create(**fields, key={"ts_code": "1"}, resolved_at=NOW)
    (waits,) = listed(client, "/api/sync/quarantine?open=true")
    assert (waits["reason"], waits["key"]) == ("high is under low", KEY)
    (resolved,) = listed(client, "/api/sync/quarantine?open=false")
    assert resolved["key"] == {"ts_code": "1"}


def test_the_journal_is_listed_by_endpoint_and_outcome(client: Client) -> None:
    TushareCallFactory.create()
    TushareCallFactory.create(api_name="adj_factor")
    TushareCallFactory.create(outcome="denied", rows=None, message="抱歉，您没有访问该接口的权限")
    (denied,) = listed(client, "/api/tushare/calls?api_name=daily&outcome=denied")
    assert (denied["rows"], denied["message"]) == (None, "抱歉，您没有访问该接口的权限")


def test_days_count_the_calls_of_an_endpoint_the_newest_first(client: Client) -> None:
    for day in (9, 10, 10):
        TushareCallFactory.create(at=dt.datetime(2020, 1, day, 10, tzinfo=SHANGHAI))
    TushareCallFactory.create(api_name="adj_factor")
    days = listed(client, "/api/tushare/days?api_name=daily")
    assert [(each["day"], each["calls"]) for each in days] == [("2020-01-10", 2), ("2020-01-09", 1)]
    assert listed(client, "/api/tushare/days?api_name=daily&limit=1") == days[:1]


def test_accounts_are_named_by_the_fingerprint_of_their_token(client: Client) -> None:
    TushareAccount.objects.create(token_fingerprint="0123456789ab", points=2000, asked_at=NOW)
    (account,) = listed(client, "/api/tushare/accounts")
    assert (account["token_fingerprint"], account["points"]) == ("0123456789ab", 2000)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/api/sync/cells?state=lost", "There is no state 'lost'. The values are: due, complete"),
        ("/api/sync/cells?dataset=nonsense", "There is no dataset 'nonsense'"),
        ("/api/sync/cells?start=yesterday", "The start: 'yesterday' is not a date"),
        ("/api/sync/quarantine?open=maybe", "The values are: true, false."),
        ("/api/sync/failures?before=-1", "it takes the id of a row"),
        ("/api/tushare/calls?limit=101", "a whole number from 1 to 100"),
        ("/api/tushare/days?limit=0", "a whole number from 1 to 600"),
        ("/api/tushare/endpoints?limit=1", "There is no filter 'limit'"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    client: Client, address: str, words: str
) -> None:
    answer = client.get(address)
    assert (answer.status_code, words in answer.json()["detail"]) == (400, True)


def test_a_failure_is_tried_anew(client: Client) -> None:
    record = FailureFactory.create(code="600000.SH", retry_count=3)
    fields = {"dataset": "fina_indicator", "state": CellState.FAILED, "attempts": 3}
    LedgerFactory.create(cell="600000.SH:20191231", **fields)
    (waits,) = listed(client, "/api/sync/failures?open=true&code=600000.SH")
    answer = post(client, f"/api/sync/failures/{waits['id']}/try-again")
    assert (answer.status_code, answer.json()["retry_count"]) == (200, 0)
    cell = SyncLedger.objects.get()
    assert (cell.attempts, cell.next_attempt_at is not None) == (0, True)
    SyncFailureRecord.objects.filter(pk=record.pk).update(resolved_at=NOW)
    answer = post(client, f"/api/sync/failures/{record.pk}/try-again")
    assert answer.status_code == 409
    assert "is resolved" in answer.json()["detail"]
    assert post(client, "/api/sync/failures/0/try-again").status_code == 404


@pytest.mark.parametrize("limit", [120, None])
def test_a_limit_is_set_and_taken_back(client: Client, limit: int | None) -> None:
    access = EndpointAccessFactory.create(set_limit=7, learned_limit=95)
    address = f"/api/tushare/endpoints/{access.pk}"
    answer = client.patch(address, {"set_limit": limit}, content_type="application/json")
    assert (answer.status_code, answer.json()["set_limit"]) == (200, limit)
    access.refresh_from_db()
    assert (access.set_limit, access.learned_limit) == (limit, 95)


@pytest.mark.parametrize(
    "body",
    [{}, *({"set_limit": bad} for bad in (0, -5, 100_001, "120", 1.5, True, 10**30, [1]))],
)
def test_a_limit_that_is_none_is_refused_with_one_sentence(client: Client, body: object) -> None:
    access = EndpointAccessFactory.create(set_limit=7)
    address = f"/api/tushare/endpoints/{access.pk}"
    answer = client.patch(address, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"set_limit": [str(LIMIT_RULE)]}
    access.refresh_from_db()
    assert access.set_limit == 7


def test_what_was_learned_of_one_endpoint_is_forgotten(client: Client) -> None:
    denied = EndpointAccessFactory.create(denied_at=NOW, learned_limit=95, set_limit=7)
    other = EndpointAccessFactory.create(api_name="adj_factor", learned_limit=45)
    answer = post(client, f"/api/tushare/endpoints/{denied.pk}/forget")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["denied_at"], told["learned_limit"], told["set_limit"]) == (None, None, 7)
    assert EndpointAccess.objects.get(pk=other.pk).learned_limit == 45
    assert len(listed(client, "/api/tushare/endpoints")) == 2
    assert post(client, "/api/tushare/endpoints/0/forget").status_code == 404


def test_a_report_is_what_the_command_writes(client: Client) -> None:
    address = "/api/sync/report?start=20200106&end=20200110"
    report = client.get(f"{address}&dataset=daily").json()
    assert (report["start"], report["end"], report["good"]) == ("20200106", "20200110", False)
    assert [part["dataset"] for part in report["datasets"]] == ["daily"]
    assert report["digest"]["sha256"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("start=20200106", "end", "Give end, as YYYYMMDD."),
        ("start=20200110&end=20200106", "start", "20200110 lies after 20200106"),
        ("start=2020-13-01&end=20200106", "start", "2020-13-01"),
    ],
)
def test_a_range_that_is_none_has_no_report(
    client: Client, query: str, field: str, words: str
) -> None:
    answer = client.get(f"/api/sync/report?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["errors"][field][0]
