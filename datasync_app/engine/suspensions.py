"""Which codes were suspended on a date, by what is held of `suspend_d`."""

from __future__ import annotations

import datetime as dt

from datasync_app.datasets.market import SUSPEND_D
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.models import GOOD_STATES, SuspendD, SyncLedger


def suspended_on(date: dt.date) -> frozenset[str]:
    """Codes suspended for the whole of that day; a resumption (R) never subtracts anything."""
    rows = SuspendD.objects.filter(trade_date=date, suspend_type="S", suspend_timing=None)
    return frozenset(rows.values_list("ts_code", flat=True))


def may_not_be_asked_for() -> bool:
    """Is `suspend_d` denied to this token? The cell that was denied stays due, and says so."""
    denied = SyncLedger.objects.filter(
        dataset=SUSPEND_D.name, last_error__startswith=NOT_AVAILABLE
    ).exclude(state__in=GOOD_STATES)
    return denied.exists()
