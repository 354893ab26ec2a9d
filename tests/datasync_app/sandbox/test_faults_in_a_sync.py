"""What the engine stores while the sandbox misbehaves: a good cell is true, or says what it lacks."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator

import pytest

from datasync_app.datasets import DAILY, TRADE_CAL
from datasync_app.dates import SHANGHAI
from datasync_app.engine.run import Engine, OwnGuard
from datasync_app.errors import Parked, SyncIncomplete
from datasync_app.models import GOOD_STATES, Daily, SyncLedger, TradeCal
from datasync_app.sandbox.faults import FAULTS
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from tests.datasync_app.tiny_market import TinyMarket
from tests.datasync_app.tushare.virtual_clock import VirtualClock

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=SHANGHAI)
MONDAY, FRIDAY = dt.date(2020, 1, 6), dt.date(2020, 1, 10)
CALL_TIMEOUT = 1.0


@pytest.fixture
def market() -> TinyMarket:
    return TinyMarket()


@pytest.fixture
def sandbox(market: TinyMarket) -> Iterator[Sandbox]:
    with Sandbox(market, quota=0, seed=5) as server:
        yield server


def sync(sandbox: Sandbox) -> None:
    """A run by a token that nobody has used before; waits pass at once."""
    clock = VirtualClock()
    client = TushareClient(
        secrets.token_hex(28),
        sandbox.url,
        limiters=EndpointLimiters(clock=clock, sleep=clock.sleep),
        clock=clock,
        sleep=clock.sleep,
        call_timeout=CALL_TIMEOUT,
    )
    engine = Engine(client, guard=OwnGuard(), now=lambda: NOW)
    try:
        engine.prepare(MONDAY, FRIDAY)
        engine.sync_dates(DAILY, MONDAY, FRIDAY)
    except (SyncIncomplete, Parked):
        pass  # without calendar or stock list no day can be judged
    finally:
        client.close()


def good_cells(dataset: str) -> list[SyncLedger]:
    return list(SyncLedger.objects.filter(dataset=dataset, state__in=GOOD_STATES))


def is_true(row: TradeCal) -> bool:
    return row.is_open == (row.cal_date.weekday() < 5)


# Each stall lasts a call's whole deadline; the client's own tests have them.
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"stall", "slow_drip"}))
def test_it_never_takes_a_spoiled_cell_for_a_good_one(
    sandbox: Sandbox, market: TinyMarket, fault: str
) -> None:
    sandbox.faults.set_rates({fault: 0.5})
    for _ in range(3):
        sync(sandbox)

    assert fault in sandbox.faulted
    for cell in good_cells(TRADE_CAL.name):
        exchange, year = cell.cell.split(":")
        days = TradeCal.objects.filter(exchange=exchange, cal_date__year=int(year))
        assert all(is_true(day) for day in days)
    for cell in good_cells(DAILY.name):
        assert cell.cell_date
        rows = Daily.objects.filter(trade_date=cell.cell_date)
        held = set(rows.values_list("ts_code", flat=True))
        assert held | set(cell.missing) == set(market.codes)


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"stall", "slow_drip"}))
def test_it_fills_everything_once_the_fault_is_over(
    sandbox: Sandbox, market: TinyMarket, fault: str
) -> None:
    sandbox.faults.set_rates({fault: 1})
    sync(sandbox)
    sandbox.faults.set_rates({})
    sync(sandbox)

    assert len(good_cells(DAILY.name)) == 5
    assert Daily.objects.count() == 5 * len(market.codes)
