"""A day that the exchanges close after all has no cells any more: nothing is due on it."""

from __future__ import annotations

import logging

from django.db.models import Max

from datasync_app.datasets import DAILY_DATASETS
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.datasets.rules import CALENDAR_HOLDS_FROM
from datasync_app.models import SyncLedger, TradeCal

logger = logging.getLogger(__name__)


def forget_closed_days() -> int:
    """Drop the cells without rows of days that no held calendar has open; how many.

    A typhoon closes a day that was open in the calendar of January. What has rows is kept, rows and
    cell alike: they are real, whatever the calendar says. Call inside a transaction.
    """
    names = [each.name for each in DAILY_DATASETS if isinstance(each.cut, ByTradeDate)]
    without_rows = SyncLedger.objects.filter(
        dataset__in=names, cell_date__gte=CALENDAR_HOLDS_FROM, received_rows=0
    )
    days = TradeCal.objects.filter(cal_date__in=without_rows.values("cell_date"))
    closed = days.values("cal_date").annotate(opens=Max("is_open")).filter(opens=0)
    dropped, _by_model = without_rows.filter(cell_date__in=closed.values("cal_date")).delete()
    if dropped:
        logger.info("action=forget_closed_days cells=%d", dropped)
    return dropped
