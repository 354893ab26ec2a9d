"""What a person decides about single cells, by the API and in the admin."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from datasync_app.models import CellState, SyncLedger
from scheduler_app.models import ExecutionLog, Status
from tests.datasync_app.factories import LedgerFactory
from tests.scheduler_app.web import TRIGGER, logged_in, post

pytestmark = pytest.mark.django_db

CELL = "/api/sync/cells/daily/20200109"
DECIDE = "change_syncledger"
REASON = "the exchange closed these boards that day"


@pytest.fixture
def client() -> Client:
    return logged_in(DECIDE, "view_syncledger")


@pytest.fixture
def partial() -> SyncLedger:
    return LedgerFactory.create(
        state=CellState.PARTIAL,
        missing={"600000.SH": "unexplained"},
        last_error="1 expected code is missing",
        next_attempt_at=timezone.now() + dt.timedelta(hours=5),
    )


def state() -> tuple[str, str, str]:
    entry = SyncLedger.objects.get()
    return entry.state, entry.accepted_by, entry.accepted_reason


@pytest.mark.usefixtures("partial")
def test_it_shows_a_cell_with_what_is_missing_and_why(client: Client) -> None:
    cell = client.get(CELL).json()
    assert (cell["state"], cell["missing"]) == ("partial", {"600000.SH": "unexplained"})


@pytest.mark.usefixtures("partial")
def test_a_partial_cell_is_accepted_for_a_reason_and_by_name(client: Client) -> None:
    answer = post(client, f"{CELL}/accept", {"reason": REASON})
    assert (answer.status_code, answer.json()["state"]) == (200, "complete")
    assert state() == ("complete", f"staff-{DECIDE}-view_syncledger", REASON)
    assert answer.json()["missing"] == {"600000.SH": "unexplained"}


@pytest.mark.usefixtures("partial")
@pytest.mark.parametrize("body", [{}, {"reason": "  "}, {"reason": 7}])
def test_nothing_is_accepted_without_a_reason(client: Client, body: object) -> None:
    answer = post(client, f"{CELL}/accept", body)
    assert answer.status_code == 400
    assert "a sentence that says why" in answer.json()["errors"]["reason"][0]
    assert state() == ("partial", "", "")


@pytest.mark.usefixtures("partial")
def test_an_accepted_cell_that_is_asked_for_again_is_judged_anew(client: Client) -> None:
    post(client, f"{CELL}/accept", {"reason": REASON})
    answer = post(client, f"{CELL}/ask-again")
    assert answer.status_code == 200
    assert state() == ("partial", "", "")
    assert SyncLedger.objects.filter(next_attempt_at__lte=timezone.now()).exists()


def test_a_cell_that_is_not_partial_is_not_accepted(client: Client) -> None:
    LedgerFactory.create(state=CellState.FAILED)
    answer = post(client, f"{CELL}/accept", {"reason": REASON})
    assert answer.status_code == 409
    assert "only a partial cell" in answer.json()["detail"]


def test_it_says_that_there_is_no_such_cell_or_dataset(client: Client) -> None:
    assert "no cell '20200109'" in client.get(CELL).json()["detail"]
    assert post(client, f"{CELL}/ask-again").status_code == 409
    unknown = client.get("/api/sync/cells/dayly/20200109")
    assert unknown.status_code == 404
    assert "the known ones are" in unknown.json()["detail"]


@pytest.mark.usefixtures("partial")
def test_the_admin_accepts_with_the_reason_beside_the_action(client: Client) -> None:
    chosen = {"action": "accept", "_selected_action": [SyncLedger.objects.get().pk]}
    page = client.post("/admin/datasync_app/syncledger/", chosen, follow=True)
    assert "takes a person&#x27;s name and a reason" in page.content.decode()
    assert state()[0] == CellState.PARTIAL
    client.post("/admin/datasync_app/syncledger/", {**chosen, "reason": REASON})
    assert state() == ("complete", f"staff-{DECIDE}-view_syncledger", REASON)
    client.post("/admin/datasync_app/syncledger/", {**chosen, "action": "ask_again"})
    assert state() == ("partial", "", "")


@pytest.mark.usefixtures("partial")
def test_the_admin_offers_no_decision_to_who_may_only_look() -> None:
    reader = logged_in("view_syncledger")
    page = reader.get("/admin/datasync_app/syncledger/").content.decode()
    assert "ask_again" not in page and "Accept as it is" not in page


@pytest.mark.parametrize(
    ("dataset", "cell", "date", "job", "kwargs"),
    [
        ("daily", "20200109", dt.date(2020, 1, 9), "sync_daily_by_date",
         {"start": "20200109", "end": "20200109"}),
        ("index_daily", "000300.SH:2020", None, "sync_daily_by_date", {}),
        ("namechange", "all", None, "sync_daily_by_date", {}),
        ("trade_cal", "SSE:2020", None, "sync_stock_basic", {}),
        ("ths_member", "885800.TI", None, "sync_concept_data", {}),
        ("fina_indicator", "600000.SH:20191231", dt.date(2019, 12, 31),
         "sync_incremental_finance", {}),
    ],
)  # fmt: skip
def test_a_repair_asks_for_the_cell_by_its_job(
    dataset: str, cell: str, date: dt.date | None, job: str, kwargs: dict[str, str]
) -> None:
    later = timezone.now() + dt.timedelta(hours=5)
    entry = LedgerFactory.create(
        dataset=dataset, cell=cell, cell_date=date, state=CellState.PARTIAL, next_attempt_at=later
    )
    answer = post(logged_in(DECIDE, TRIGGER), f"/api/sync/cells/{dataset}/{cell}/repair")
    assert answer.status_code == 202
    execution = ExecutionLog.objects.get(status=Status.QUEUED)
    assert answer.headers["Location"] == f"/api/scheduler/executions/{execution.pk}"
    assert (execution.job_id, execution.job_kwargs) == (job, kwargs)
    assert execution.triggered_by == f"staff-{DECIDE}-{TRIGGER}"
    entry.refresh_from_db()
    assert entry.next_attempt_at <= timezone.now()


@pytest.mark.parametrize("permission", [DECIDE, TRIGGER])
@pytest.mark.usefixtures("partial")
def test_a_repair_takes_both_permissions(permission: str) -> None:
    client = logged_in(permission, "view_syncledger")
    pk = SyncLedger.objects.get().pk
    assert post(client, f"{CELL}/repair").status_code == 403
    page = f"/admin/datasync_app/syncledger/{pk}/"
    assert "Repair now" not in client.get(f"{page}change/").content.decode()
    assert client.post(f"{page}decide/", {"wish": "repair"}).status_code == 403
    assert not ExecutionLog.objects.exists()


def test_what_the_ledger_does_not_have_is_not_repaired() -> None:
    client = logged_in(DECIDE, TRIGGER)
    assert post(client, "/api/sync/cells/daily/20200110/repair").status_code == 409
    assert post(client, "/api/sync/cells/nonsense/20200110/repair").status_code == 404
    assert not ExecutionLog.objects.exists()
