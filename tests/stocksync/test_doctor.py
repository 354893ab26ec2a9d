"""`doctor` tells what is wrong, a line each, and spends no call unless it is told to."""

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

from datasync_app.datasets import DATASETS
from datasync_app.models import SourceIdentity, TushareAccount
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.limits import account_of
from scheduler_app.models import ScheduleRevision
from stocksync import environment
from stocksync.checkup import checkup
from tests.datasync_app.factories import EndpointAccessFactory, LedgerFactory
from tests.datasync_app.tiny_market import TinyMarket
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


ACCOUNT = account_of("t" * 56, "https://tushare.invalid/dataapi")
HOUR = dt.timedelta(hours=1)


def hold_account(points: int | None, **told: dt.date | dt.datetime | None) -> None:
    times = {"answered_at": timezone.now() - 5 * HOUR, "asked_at": timezone.now() - 5 * HOUR}
    TushareAccount.objects.create(token_fingerprint=ACCOUNT, points=points, **(times | told))


def test_it_tells_what_is_held_of_each_dataset(all_well: None) -> None:
    LedgerFactory.create(cell="20200109")
    told = findings()
    assert told["daily"][1].startswith("cells: 1 good, 0 open; last asked")
    assert told["trade_cal"][1].startswith("never asked for")


@pytest.mark.parametrize(
    ("known", "ok", "words"),
    [
        (
            {"denied_at": -19 * HOUR, "denied_kind": "permission"},
            True,
            "not available to this token (refused 19 hours ago, tried again from ",
        ),
        (
            {"denied_at": -21 * HOUR, "denied_kind": "permission"},
            True,
            "not known whether it may be called",
        ),
        (
            {"denied_at": -0.5 * HOUR, "denied_kind": "token"},
            False,
            "The token is not accepted: set TUSHARE_TOKEN to the right one",
        ),
        ({"denied_at": -HOUR, "denied_kind": "token"}, True, "not known whether"),
        (
            {"denied_at": -0.5 * HOUR, "denied_kind": "ip"},
            True,
            "used from too many addresses (refused 30 minutes ago",
        ),
        ({"spent_until": HOUR, "spent_unit": "hour"}, True, "its calls of the hour are used up"),
        ({"answered_at": -3 * HOUR}, True, "may be called, answered 3 hours ago"),
        (
            {"learned_at": -3 * HOUR, "learned_limit": 50},
            True,
            "at most 50 calls in 60 s, learned 3",
        ),
        ({"set_limit": 30}, True, "at most 30 calls in 60 s, set by staff"),
    ],
)
def test_it_tells_as_the_next_call_would_find_it_whether_and_how_often_it_may_be_made(
    all_well: None, known: dict[str, object], ok: bool, words: str
) -> None:
    now = timezone.now()
    values = {
        name: now + value if isinstance(value, dt.timedelta) else value
        for name, value in known.items()
    }
    EndpointAccessFactory.create(token_fingerprint=ACCOUNT, api_name="daily", **values)

    told_ok, says = findings()["daily"]

    assert told_ok is ok
    assert words in says and " calls in 60 s, " in says


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (120, "needs 2000 points, the account has 120; not available to this token by its points"),
        (2000, "needs 2000 points, the account has 2000; not known whether it may be called"),
        (None, "needs 2000 points, the points are not known; not known whether it may be called"),
    ],
)
def test_it_compares_the_points_with_what_each_dataset_needs(
    all_well: None, points: int | None, words: str
) -> None:
    hold_account(points)
    ok, says = findings()["stock_basic"]
    assert ok and words in says


@pytest.mark.parametrize(
    ("points", "limit"),
    [(120, "at most 45 calls in 60 s, by the points"), (None, "at most 195 calls in 60 s, until")],
)
def test_it_always_tells_the_limit_in_force(all_well: None, points: int | None, limit: str) -> None:
    hold_account(points)
    told = findings()
    assert all(limit in told[name][1] for name in DATASETS)


def test_the_setting_decides_the_limit_that_it_tells(all_well: None, settings: Settings) -> None:
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 77
    assert "at most 77 calls in 60 s, by the setting" in findings()["daily"][1]


def test_it_makes_no_call(settings: Settings) -> None:
    with Sandbox(TinyMarket(), quota=0) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        assert findings()["source"][0]
        assert not sandbox.requests


def test_told_to_it_asks_for_the_account_and_for_nothing_else(settings: Settings) -> None:
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 77  # which no sync would ask for the points with
    with Sandbox(TinyMarket(), quota=0, points=5000) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        told = {finding.what: finding for finding in checkup(ask=True)}
        assert [api_name for api_name, _ in sandbox.requests] == ["user"]
    assert told["account"].ok
    assert told["account"].says.startswith("5000 points, told 0 minutes ago; they expire on")
    assert "the account has 5000" in told["stock_basic"].says


def test_asked_with_a_bad_token_it_says_what_to_do(settings: Settings) -> None:
    with Sandbox(TinyMarket(), quota=0) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        sandbox.faults.set_rates({"token": 1})
        out = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("doctor", "--ask", stdout=out)
    assert "FAIL  asked: Tushare denied user(), the token is not accepted" in out.getvalue()
    assert "FAIL  account: The token is not accepted: set TUSHARE_TOKEN" in out.getvalue()


def test_data_of_another_source_are_told_before_it_asks(settings: Settings) -> None:
    SourceIdentity.objects.create(identity="tushare")
    with Sandbox(TinyMarket(), quota=0) as sandbox:
        settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", sandbox.url
        assert not {finding.what: finding for finding in checkup(ask=True)}["source"].ok
        assert not sandbox.requests


def test_a_token_that_the_source_refuses_fails_it(all_well: None) -> None:
    EndpointAccessFactory.create(
        token_fingerprint=ACCOUNT, api_name="user", denied_at=timezone.now(), denied_kind="token"
    )
    ok, says = findings()["account"]
    assert not ok and says.startswith("The token is not accepted: set TUSHARE_TOKEN")


@pytest.mark.parametrize(
    ("is_answered", "words"),
    [
        (False, "points asked for 5 hours ago, without an answer yet"),
        (True, "the source does not tell the points, asked 5 hours ago"),
    ],
)
def test_it_tells_points_that_the_source_did_not_tell(
    all_well: None, is_answered: bool, words: str
) -> None:
    hold_account(None, **({} if is_answered else {"answered_at": None}))
    ok, says = findings()["account"]
    assert ok and words in says


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
    hold_account(2000, expires=timezone.localdate() + dt.timedelta(days=days))

    told_ok, says = findings()["account"]

    assert told_ok is ok
    assert says.startswith("2000 points, told 5 hours ago") and words in says


def test_it_says_when_the_points_are_not_known(all_well: None) -> None:
    ok, says = findings()["account"]
    assert ok and says.startswith("points not asked for yet: the first sync does, and `manage.py")


@pytest.mark.parametrize(("mode", "warns"), [(0o644, True), (0o640, True), (0o600, False)])
def test_it_warns_of_settings_that_others_may_read(
    mode: int, warns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "BASE_DIR", tmp_path)
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)
    assert ("settings" in findings()) is warns
