"""With SERVE_PASS_ON, what a call lacks is fetched from the source, stored, and then answered."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Permission, User
from knox.models import AuthToken
from pandas.testing import assert_frame_equal
from pytest_django import Settings

from datasync_app.models import (
    CellState,
    Concept,
    Daily,
    DcIndex,
    SourceIdentity,
    StockBasic,
    SyncLedger,
    ThsIndex,
    TradeCal,
)
from datasync_app.sandbox.server import Sandbox
from datasync_app.serving import misses
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.conftest import Pair
from tests.datasync_app.serving.web import sdk

pytestmark = pytest.mark.django_db

HOLE = "20251203"


@pytest.fixture(autouse=True)
def passing_on(synced: None, source: Sandbox, settings: Settings) -> None:
    settings.SERVE_PASS_ON = True
    settings.TUSHARE_TOKEN = ""
    settings.TUSHARE_BASE_URL = source.url
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 1000


@pytest.fixture
def hole() -> None:
    Daily.objects.filter(trade_date=dt.date(2025, 12, 3)).delete()
    SyncLedger.objects.filter(dataset="daily", cell=HOLE).delete()


def calls(source: Sandbox, api_name: str) -> int:
    return sum(name == api_name for name, _params in source.requests)


@pytest.mark.usefixtures("hole")
def test_a_day_that_is_missing_is_fetched_once_and_stored(pair: Pair, source: Sandbox) -> None:
    before = calls(source, "daily")
    ours = pair.ours.daily(trade_date=HOLE)
    assert_frame_equal(ours, pair.source.daily(trade_date=HOLE))
    assert SyncLedger.objects.get(dataset="daily", cell=HOLE).state == CellState.COMPLETE
    assert Daily.objects.filter(trade_date=dt.date(2025, 12, 3)).count() == len(ours)
    pair.ours.daily(start_date="20251201", end_date="20251210")
    assert calls(source, "daily") == before + 2  # ours, and the source's of the comparison


@pytest.mark.usefixtures("hole")
def test_without_the_setting_it_is_refused(pair: Pair, settings: Settings) -> None:
    settings.SERVE_PASS_ON = False
    with pytest.raises(Exception, match="20251203 .never fetched"):
        pair.ours.daily(trade_date=HOLE)


def test_a_year_whose_calendar_is_not_held(pair: Pair) -> None:
    assert not TradeCal.objects.filter(cal_date__year=2024).exists()
    params = {"start_date": "20241230", "end_date": "20241231"}
    assert_frame_equal(pair.ours.daily(**params), pair.source.daily(**params))
    assert TradeCal.objects.filter(cal_date__year=2024, exchange="SSE").count() == 366


def test_lists_and_reports_too(pair: Pair) -> None:
    StockBasic.objects.all().delete()
    SyncLedger.objects.filter(dataset="stock_basic").delete()
    assert_frame_equal(pair.ours.stock_basic(), pair.source.stock_basic())
    day = {"actual_date": "20250829"}
    theirs = pair.source.disclosure_date(**day)
    assert len(theirs)
    assert_frame_equal(pair.ours.disclosure_date(**day), theirs)


def test_a_list_of_concepts_and_the_constituents_of_one_are_fetched_and_stored(
    pair: Pair, source: Sandbox
) -> None:
    day = {"trade_date": "20251210"}
    code = pair.source.dc_index(**day).ts_code[0]
    DcIndex.objects.all().delete()
    SyncLedger.objects.filter(dataset="dc_index").update(state=CellState.FAILED, received_rows=0)
    assert_frame_equal(pair.ours.dc_index(**day), pair.source.dc_index(**day))
    assert DcIndex.objects.filter(valid_to=None, up_num__isnull=False).exists()
    assert SyncLedger.objects.get(dataset="dc_index").state == CellState.COMPLETE

    of_one = {**day, "ts_code": code}
    SyncLedger.objects.filter(dataset="dc_member", cell=code).delete()
    before = calls(source, "dc_member")
    assert_frame_equal(pair.ours.dc_member(**of_one), pair.source.dc_member(**of_one))
    assert SyncLedger.objects.get(dataset="dc_member", cell=code).state == CellState.COMPLETE
    pair.ours.dc_member(**of_one)
    assert calls(source, "dc_member") == before + 2  # ours, and the source's of the comparison


@pytest.mark.parametrize(
    ("api_name", "params"),
    [
        ("dc_index", {"trade_date": "20251209"}),
        ("dc_member", {"trade_date": "20251209", "ts_code": "BK0001.DC"}),
        ("ths_index", {"exchange": "A"}),
    ],
    ids=str,
)
def test_concepts_of_a_day_or_kind_that_is_not_kept_are_passed_on_and_not_stored(
    pair: Pair, api_name: str, params: dict[str, str]
) -> None:
    held = {row.pk: row.last_seen_at for row in DcIndex.objects.all()}
    assert_frame_equal(pair.ours.query(api_name, **params), pair.source.query(api_name, **params))
    assert {row.pk: row.last_seen_at for row in DcIndex.objects.all()} == held
    assert SyncLedger.objects.get(dataset="dc_index").cell_date == dt.date(2025, 12, 10)


def test_concepts_of_a_source_that_is_not_taken_are_passed_on_and_not_stored(pair: Pair) -> None:
    SyncLedger.objects.filter(dataset__in=["concept", "concept_detail"]).delete()
    Concept.objects.all().delete()
    assert_frame_equal(pair.ours.concept(), pair.source.concept())
    one = {"id": "TS3"}
    assert_frame_equal(pair.ours.concept_detail(**one), pair.source.concept_detail(**one))
    assert not Concept.objects.exists()
    assert not SyncLedger.objects.filter(dataset="concept").exists()


def test_concepts_that_nobody_asked_for_yet_are_fetched_from_the_source_that_is_set(
    pair: Pair, settings: Settings
) -> None:
    settings.SYNC_CONCEPT_SOURCE = "ths"
    lists = ["concept", "concept_detail", "dc_index", "dc_member", "ths_index", "ths_member"]
    SyncLedger.objects.filter(dataset__in=lists).delete()
    ThsIndex.objects.all().delete()
    params = {"exchange": "A", "type": "N"}
    assert_frame_equal(pair.ours.ths_index(**params), pair.source.ths_index(**params))
    assert SyncLedger.objects.get(dataset="ths_index").state == CellState.COMPLETE


def test_more_than_a_caller_should_wait_for_is_refused(
    pair: Pair, source: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = calls(source, "daily")
    monkeypatch.setattr(misses, "MOST_CELLS", 3)
    with pytest.raises(Exception, match="20251128 .never fetched"):
        pair.ours.daily(start_date="20251120", end_date="20251128")
    assert calls(source, "daily") == before


@pytest.mark.usefixtures("hole")
def test_a_cell_that_waits_for_its_next_attempt_is_not_asked_for(
    pair: Pair, source: Sandbox, clock: Clock
) -> None:
    before = calls(source, "daily")
    SyncLedger.objects.create(
        dataset="daily", cell=HOLE, cell_date=dt.date(2025, 12, 3), state=CellState.PARTIAL,
        attempts=1, next_attempt_at=clock() + dt.timedelta(minutes=10), last_error="2 are missing",
    )  # fmt: skip
    with pytest.raises(Exception, match="20251203 .partial: 2 are missing"):
        pair.ours.daily(trade_date=HOLE)
    assert calls(source, "daily") == before


@pytest.mark.usefixtures("hole")
def test_a_source_that_is_away_leaves_the_refusal_as_it_was(pair: Pair, settings: Settings) -> None:
    settings.TUSHARE_BASE_URL = "http://127.0.0.1:9/dataapi"
    with pytest.raises(Exception, match="Not good are: 20251203"):
        pair.ours.daily(trade_date=HOLE)


def test_an_endpoint_that_is_not_held_is_passed_on_to_staff(pair: Pair) -> None:
    with pytest.raises(Exception, match="接口"):
        pair.ours.query("no_such_endpoint")
    theirs = pair.source.query("user", token="any")
    assert list(pair.ours.query("user").columns) == list(theirs.columns)
    user = User.objects.create_user("plain")
    user.user_permissions.add(Permission.objects.get(codename="view_daily"))
    plain = sdk(pair.url, AuthToken.objects.create(user)[1])
    with pytest.raises(Exception, match="does not hold user"):
        plain.query("user")


def test_a_source_of_other_data_is_not_passed_on(pair: Pair) -> None:
    SourceIdentity.objects.update(identity="sandbox:other")
    with pytest.raises(Exception, match="not the one this database belongs to"):
        pair.ours.query("user")
