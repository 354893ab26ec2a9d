"""Reports of the generated companies, which plan, publish, are late and correct as real ones do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from datasync_app.dates import parse_date
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.finance.standing import by_period
from datasync_app.models import DatasetState, FinaIndicator, SyncLedger, SyncQuarantine
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock

pytestmark = pytest.mark.django_db

FIRST = dt.date(2023, 9, 1)
# Q3 and most annual reports are out, corrections of them on their way; of Q1 only some are.
NIGHTS = ["20240425 00:10", "20240501 00:10", "20240501 01:00", "20240521 00:10", "20240521 02:00"]

Row = tuple[str, dt.date, dt.date | None, float | None, float | None, int | None]


@pytest.fixture
def generated(db: None, clock: Clock, settings: Settings) -> GeneratedMarket:
    settings.SYNC_FINANCE_HISTORY_START_DATE = FIRST
    clock.set(NIGHTS[0])
    DatasetState.objects.create(dataset="disclosure_date", horizon=dt.date(2024, 4, 18))
    return GeneratedMarket(7, clock, companies=20)


@pytest.fixture(params=[2000, 5000], ids=["by company", "by period"])
def source(
    request: pytest.FixtureRequest, generated: GeneratedMarket, clock: Clock
) -> Iterator[Sandbox]:
    with Sandbox(generated, quota=0, points=request.param, clock=clock) as server:
        yield server


def published(market: GeneratedMarket, since: str) -> set[Row]:
    """What the source has of the periods since then, of which all was announced after its period."""
    fields, rows = market.rows("fina_indicator_vip", {"start_date": since})
    at = [fields.index(name) for name in ("ts_code", "end_date", "ann_date", "eps", "roe")]
    flag = fields.index("update_flag")
    found: set[Row] = set()
    for row in rows:
        code, end, ann, eps, roe = (row[index] for index in at)
        if str(ann) > str(end):
            number = None if eps is None else float(str(eps))
            share = None if roe is None else float(str(roe))
            found.add(
                (str(code), parse_date(str(end)), parse_date(str(ann)), number, share,
                 int(str(row[flag])))
            )  # fmt: skip
    return found


def held() -> set[Row]:
    return set(
        FinaIndicator.objects.values_list(
            "ts_code", "end_date", "ann_date", "eps", "roe", "update_flag"
        )
    )


def test_after_some_nights_the_tables_equal_the_source(
    source: Sandbox, generated: GeneratedMarket, clock: Clock
) -> None:
    for night in NIGHTS:
        clock.set(night)
        reports = FinanceRun(engine_of(source, clock)).incremental()
        assert not any(report.open_cells for report in reports), night
    assert held() == published(generated, f"{FIRST:%Y%m%d}")
    standings = by_period(Scope(FIRST, dt.date(2024, 7, 1)), now=clock())
    assert all(not standing.missing for standing in standings)
    assert sum(standing.held for standing in standings) > 50
    asked = [params for name, params in source.requests if name.startswith("fina_indicator")]
    assert len(asked) < (15 if source.points == 5000 else 150)
    cells = SyncLedger.objects.filter(dataset="fina_indicator", state="complete")
    of_rows = FinaIndicator.objects.values_list("ts_code", "end_date").distinct().count()
    assert cells.count() == of_rows
    apart = SyncQuarantine.objects.filter(dataset="fina_indicator")
    assert all(row.row["ann_date"] < row.row["end_date"] for row in apart)
