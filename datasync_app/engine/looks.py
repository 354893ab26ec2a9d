"""Second looks: good cells are read again, because the source corrects itself without a word.

Every evening the last trade dates, and a few cells of history in rotation, those first that were
fetched longest ago. A cell that was fetched since the evening began is not looked at again in it.
"""

from __future__ import annotations

import datetime as dt

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.dates import SHANGHAI, market_day
from datasync_app.engine.plan import Plan
from datasync_app.models import GOOD_STATES, SyncLedger

RECENT_DATES = 5
HISTORY_CELLS = 20
EVENING = dt.time(17, 0)


def plan_looks(dataset: Dataset, *, now: dt.datetime) -> Plan:
    """The good cells of a dataset that this evening's first run reads again; by day there are none."""
    evening = dt.datetime.combine(market_day(now), EVENING, SHANGHAI)
    if now < evening:
        return Plan(dataset, (), ())
    good = SyncLedger.objects.filter(dataset=dataset.name, state__in=GOOD_STATES)
    recent = _recent(dataset, good, now)
    before = good.exclude(cell__in=[entry.cell for entry in recent])
    looked_at = before.filter(fetched_at__gte=evening).count()
    left = max(HISTORY_CELLS - looked_at, 0)
    history = before.filter(fetched_at__lt=evening).order_by("fetched_at", "cell")[:left]
    entries = [entry for entry in recent if entry.fetched_at and entry.fetched_at < evening]
    cells = tuple(Cell(entry.cell, entry.cell_date) for entry in [*entries, *history])
    return Plan(dataset, (), cells, again=cells)


def _recent(dataset: Dataset, good, now: dt.datetime) -> list[SyncLedger]:  # type: ignore[no-untyped-def] # a QuerySet
    """The entries that the evening looks at first; a year under way is fetched daily anyhow."""
    if isinstance(dataset.cut, ByTradeDate):
        return list(good.order_by("-cell_date")[:RECENT_DATES])
    return list(good.filter(cell__endswith=f":{market_day(now).year}"))
