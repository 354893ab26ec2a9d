"""Recorded answers of several datasets of one market, replayed over HTTP."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator

import pytest
from django.core.management import call_command

from datasync_app.datasets.base import Dataset, Kind
from datasync_app.datasets.market import ADJ_FACTOR, DAILY, DAILY_BASIC
from datasync_app.engine.checks import judge_codes
from datasync_app.engine.run import Engine, OwnGuard
from datasync_app.models import CellState, SyncLedger
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from tests.sample import needs_sample, recorded, recorded_market

pytestmark = [pytest.mark.django_db, needs_sample]

NOW = dt.datetime(2020, 1, 20, 20, 0, tzinfo=dt.UTC)
# Codes that had left or were renumbered before the list was made from which the bars were rebuilt.
GONE = ["000018.SZ", "000043.SZ", "002018.SZ", "002143.SZ", "002680.SZ"]


@pytest.fixture(scope="module")
def replay() -> Iterator[Sandbox]:
    with Sandbox(recorded_market(), quota=0) as server:
        yield server


@pytest.fixture
def engine(replay: Sandbox) -> Iterator[Engine]:
    client = TushareClient("a-token", replay.url, sleep=lambda seconds: None)
    yield Engine(client, guard=OwnGuard(), now=lambda: NOW)
    client.close()


def sync(engine: Engine, date: dt.date, *datasets: Dataset) -> None:
    engine.prepare(date, date)
    for dataset in datasets:
        engine.sync_dates(dataset, date, date)


def said(*args: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command(*args, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


@pytest.mark.parametrize(
    ("dataset", "date"),
    [
        (DAILY_BASIC, dt.date(2019, 10, 25)),
        (DAILY_BASIC, dt.date(2019, 10, 30)),
        (ADJ_FACTOR, dt.date(2020, 1, 6)),
    ],
)
def test_a_recorded_day_arrives_value_for_value(
    engine: Engine, dataset: Dataset, date: dt.date
) -> None:
    sync(engine, date, dataset)
    rows = list(recorded(f"{dataset.name}/{date:%Y%m%d}.csv.gz"))
    names = [field.name for field in dataset.fields if field.kind is Kind.NUMBER]
    stored = {
        row["ts_code"]: row for row in dataset.model._default_manager.values("ts_code", *names)
    }
    assert len(stored) == len(rows) > 3600
    for row in rows:
        for name in names:
            text = row.get(name)
            assert stored[row["ts_code"]][name] == (float(text) if text else None), (row, name)


def test_codes_that_only_the_indicators_hold_are_a_dispute(engine: Engine) -> None:
    date = dt.date(2019, 10, 25)
    sync(engine, dt.date(2019, 10, 24), DAILY)
    sync(engine, date, DAILY, DAILY_BASIC)
    entry = SyncLedger.objects.get(dataset="daily", cell="20191025")
    assert entry.state == CellState.COMPLETE
    assert entry.disputes == {code: ["daily_basic"] for code in GONE}
    dates = ["--start", "20191025", "--end", "20191025"]
    text, code = said("coverage", "daily", *dates)
    assert (code, "5 codes in dispute" in text) == (0, True)
    assert f"  20191025: in dispute: daily_basic has {', '.join(GONE)}" in text.splitlines()
    assert said("coverage", "daily", *dates, "--strict")[1] == 1


def test_a_code_that_only_the_factors_lack_is_a_dispute_there(engine: Engine) -> None:
    date = dt.date(2020, 1, 6)
    sync(engine, dt.date(2020, 1, 3), DAILY)
    sync(engine, date, DAILY, ADJ_FACTOR)
    factors = SyncLedger.objects.get(dataset="adj_factor", cell="20200106")
    assert factors.disputes == {"600240.SH": ["daily"]}
    bars = SyncLedger.objects.get(dataset="daily", cell="20200106")
    assert bars.state == CellState.COMPLETE
    factors_of = {row["ts_code"] for row in recorded("adj_factor/20200106.csv.gz")}
    bars_of = {row["ts_code"] for row in recorded("daily/20200106.csv.gz")}
    assert bars.disputes.keys() == factors_of - bars_of
    assert len(bars.disputes) == 23


def test_a_market_with_more_rows_than_codes_is_judged_by_its_codes() -> None:
    listed = frozenset(
        row["ts_code"]
        for row in recorded("stock_basic/2026_full_columns.csv.gz")
        if row["list_date"] <= "20250205"
    )
    received = frozenset(row["ts_code"] for row in recorded("daily/20250205.csv.gz"))
    verdict = judge_codes(listed, received, now=NOW)
    assert len(received) > len(listed)
    assert verdict.state is CellState.PARTIAL
    assert len(verdict.missing) == 256
