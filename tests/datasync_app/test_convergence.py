"""The daily jobs against a source that fails, cuts and restates: in the end the tables are its own."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest

from datasync_app import jobs
from datasync_app.datasets import DAILY_DATASETS
from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import SHANGHAI, show_date
from datasync_app.engine import horizon
from datasync_app.engine.calendar import open_days
from datasync_app.engine.held import rows_of_cell
from datasync_app.engine.rows import typed_rows
from datasync_app.models import GOOD_STATES, SyncLedger, SyncRestatement
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from datasync_app.session import open_session
from datasync_app.tushare.client import TushareClient
from scheduler_app.models import Cause, ExecutionLog, Status
from tests.datasync_app.clock import Clock
from tests.datasync_app.runs import run

pytestmark = pytest.mark.django_db

BY_DATE = [dataset for dataset in DAILY_DATASETS if isinstance(dataset.cut, ByTradeDate)]
# Which calls meet which fault follows from the seed alone: every fault is met, and no two answers of a
# day lack the same row. That would be believed, rightly.
SEED = 21634
JOB = "sync_daily_by_date"
FIRST_EVENING = dt.datetime(2026, 3, 16, 18, 0, tzinfo=SHANGHAI)
A_DAY = dt.timedelta(days=1)
# One call in twenty does not get through, three in a hundred are refused, two lack rows.
FAULTS = {
    **{"reset": 0.02, "http_502": 0.015, "html": 0.015},
    **{"rate_minute": 0.02, "rate_minute_old": 0.01},
    "partial": 0.02,
}


class Evenings:
    """The job as the scheduler runs it: every evening at six, and at each follow-up it asks for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = FIRST_EVENING

    def one(self) -> None:
        moment: dt.datetime | None = self._next
        self._next += A_DAY
        while moment is not None and moment < self._next:
            self._clock.now = max(moment, self._clock.now)
            run(JOB)
            moment = self._follow_up()

    def _follow_up(self) -> dt.datetime | None:
        waiting = ExecutionLog.objects.filter(
            job_id=JOB, status=Status.QUEUED, caused_by=Cause.FOLLOW_UP
        )
        moment = waiting.values_list("scheduled_for", flat=True).first()
        waiting.update(status=Status.SUCCESS)
        return moment


def unlike(sandbox: Sandbox, dataset: Dataset, days: list[dt.date]) -> list[str]:
    """The days that are not good, or whose rows are not those of the source."""
    good = set(
        SyncLedger.objects.filter(dataset=dataset.name, state__in=GOOD_STATES).values_list(
            "cell_date", flat=True
        )
    )
    found = []
    for day in days:
        fields, items = sandbox.truth(dataset.name, trade_date=show_date(day))
        told = typed_rows(dataset, fields, items)
        held = rows_of_cell(dataset, Cell(show_date(day), day))
        if day not in good or len(held) != len(told) or set(held.rows) != set(told.rows):
            found.append(f"{dataset.name} {day}")
    return found


def restated_by(sandbox: Sandbox, days: list[dt.date]) -> set[tuple[object, ...]]:
    return {
        (one.api_name, one.ts_code, one.date, one.column, one.before, one.after)
        for dataset in BY_DATE
        for day in days
        for one in sandbox.restated(dataset.name, trade_date=show_date(day))
    }


def written_down() -> list[tuple[object, ...]]:
    entries = SyncRestatement.objects.filter(dataset__in=[each.name for each in BY_DATE])
    return list(
        entries.values_list("dataset", "key__ts_code", "key__trade_date", "column", "old", "new")
    )


def converge(monkeypatch: pytest.MonkeyPatch, *, companies: int, days: int, evenings: int) -> None:
    clock = Clock(FIRST_EVENING)
    market = GeneratedMarket(1, clock, companies=companies)
    first = FIRST_EVENING.date() - dt.timedelta(days=days)
    for dataset in DAILY_DATASETS:
        horizon.move_earlier(dataset, first)
    with Sandbox(market, quota=0, clock=clock, faults=FAULTS, seed=SEED) as sandbox:
        client = TushareClient(
            "a-token", sandbox.url, clock=clock.seconds, now=clock, sleep=clock.sleep
        )
        monkeypatch.setattr(jobs, "open_session", partial(open_session, client=client, now=clock))
        runs = Evenings(clock)
        for _ in range(evenings):
            runs.one()
        filled = open_days(first, FIRST_EVENING.date())
        for name in ("daily", "adj_factor", "daily_basic"):
            sandbox.restatements.restate(
                name, 0.2, since=clock.now, last=show_date(FIRST_EVENING.date())
            )
        expected = restated_by(sandbox, filled)
        for _ in range(evenings):
            runs.one()

        assert sandbox.faulted.keys() == FAULTS.keys()
        held = open_days(first, clock.now.date())
        assert not [each for dataset in BY_DATE for each in unlike(sandbox, dataset, held)]
        assert expected
        assert sorted(written_down(), key=repr) == sorted(expected, key=repr)
        client.close()


def test_the_tables_become_those_of_a_source_that_fails_cuts_and_restates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    converge(monkeypatch, companies=20, days=4, evenings=2)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_month_of_a_larger_market_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    converge(monkeypatch, companies=300, days=30, evenings=5)
