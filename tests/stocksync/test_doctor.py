"""`doctor` tells what is wrong, a line each, and spends no call."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.models import SourceIdentity, TushareAccount
from datasync_app.tushare.limits import account_of
from scheduler_app.models import ScheduleRevision
from stocksync import environment
from stocksync.checkup import checkup
from tests.datasync_app.factories import EndpointAccessFactory, LedgerFactory
from tests.factories import LeaseFactory, SchedulerProcessFactory

pytestmark = pytest.mark.django_db


def findings() -> dict[str, tuple[bool, str]]:
    return {finding.what: (finding.ok, finding.says) for finding in checkup()}


@pytest.fixture
def all_well(settings: Settings) -> None:
    settings.TUSHARE_TOKEN = "t" * 56
    settings.TUSHARE_BASE_URL = "https://tushare.invalid/dataapi"
    process = SchedulerProcessFactory.create(
        host="here", pid=7, revision_applied=ScheduleRevision.objects.get().value
    )
    LeaseFactory.create(process=process)


def test_it_says_ok_on_every_line_when_all_is_well(all_well: None) -> None:
    out = io.StringIO()
    call_command("doctor", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * len(lines)
    assert any("scheduler: running as here:7" in line for line in lines)
    assert "t" * 56 not in out.getvalue()


def test_a_missing_scheduler_fails_it_and_says_what_to_start(settings: Settings) -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=out)
    assert end.value.code == 1
    assert "FAIL  scheduler: none is running (no heartbeat was ever seen)" in out.getvalue()


def test_a_scheduler_that_has_not_applied_the_latest_edit_is_named(all_well: None) -> None:
    ScheduleRevision.objects.update(value=99_999)
    assert findings()["scheduler"] == (
        False,
        "running, but it has not applied the latest schedules",
    )


def test_a_missing_migration_is_named(all_well: None) -> None:
    (newest,) = MigrationLoader(connection).graph.leaf_nodes("datasync_app")
    MigrationRecorder(connection).record_unapplied(*newest)
    ok, says = findings()["migrations"]
    assert not ok and says == "1 are not applied: run `manage.py migrate`"


def test_without_a_source_it_says_what_to_set(settings: Settings) -> None:
    settings.TUSHARE_TOKEN = settings.TUSHARE_BASE_URL = ""
    ok, says = findings()["source"]
    assert not ok and "set TUSHARE_TOKEN" in says


def test_a_token_on_generated_data_is_told_before_any_run(all_well: None) -> None:
    SourceIdentity.objects.create(identity="sandbox:42")
    ok, says = findings()["source"]
    assert not ok and "go_live" in says


def test_it_tells_what_is_known_of_each_dataset(all_well: None) -> None:
    LedgerFactory.create(cell="20200109")
    LedgerFactory.create(
        dataset="stock_basic", cell="L", cell_date=None, state="due", last_error=NOT_AVAILABLE
    )
    told = findings()
    assert told["daily"][1].startswith("1 cells good, 0 open, last asked")
    assert told["stock_basic"] == (True, "not available to this token (needs 2000 points)")
    assert told["trade_cal"] == (True, "never asked for (needs 2000 points)")


def test_it_tells_from_the_tables_whether_and_how_often_each_endpoint_may_be_called(
    all_well: None, settings: Settings
) -> None:
    now, account = timezone.now(), account_of("t" * 56, "https://tushare.invalid/dataapi")
    known = EndpointAccessFactory.create
    known(
        token_fingerprint=account, api_name="stock_basic", denied_at=now, denied_kind="permission"
    )
    known(
        token_fingerprint=account,
        api_name="trade_cal",
        spent_until=now + dt.timedelta(hours=1),
        spent_unit="hour",
    )
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 77
    known(token_fingerprint=account, api_name="daily", answered_at=now - dt.timedelta(hours=3))

    told = findings()

    assert "denied 0 minutes ago: permission" in told["stock_basic"][1]
    assert "used up until" in told["trade_cal"][1]
    assert "may be called, answered 3 hours ago; at most 77 calls in 60 s" in told["daily"][1]


@pytest.mark.parametrize(
    ("days", "ok", "words"),
    [
        (100, True, "; they expire on"),
        (14, True, "WARNING: they expire on"),
        (-1, False, "expired"),
    ],
)
def test_it_tells_the_points_and_warns_of_their_end(
    all_well: None, days: int, ok: bool, words: str
) -> None:
    TushareAccount.objects.create(
        token_fingerprint=account_of("t" * 56, "https://tushare.invalid/dataapi"),
        points=2000,
        expires=timezone.localdate() + dt.timedelta(days=days),
        answered_at=timezone.now() - dt.timedelta(hours=5),
        asked_at=timezone.now(),
    )

    told_ok, says = findings()["account"]

    assert told_ok is ok
    assert says.startswith("2000 points, told 5 hours ago") and words in says


def test_it_says_when_the_points_are_not_known(all_well: None) -> None:
    assert findings()["account"] == (True, "points not asked for yet: the first sync does")


@pytest.mark.parametrize(("mode", "warns"), [(0o644, True), (0o640, True), (0o600, False)])
def test_it_warns_of_settings_that_others_may_read(
    mode: int, warns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "BASE_DIR", tmp_path)
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)
    assert ("settings" in findings()) is warns
