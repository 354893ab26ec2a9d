"""The data's part of the daily digest: how far each dataset is good, and what is open."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from datasync_app.dates import show_date
from datasync_app.engine.freshness import Freshness, freshness
from scheduler_app.notifications.digest import register_section


@register_section
def data_of_the_day(now: dt.datetime) -> str:
    """A line for each dataset that the ledger has cells of."""
    lines = [_line(each) for each in freshness()]
    return "\n".join([_("Data:"), *lines]) if lines else ""


def _line(of: Freshness) -> str:
    until = _("good until %s") % show_date(of.until) if of.until else _("%d cells good") % of.good
    what_is_open = [
        said % count
        for said, count in ((_("%d late"), of.late), (_("%d missing"), of.missing))
        if count
    ]
    return f"- {of.dataset}: {', '.join([until, *what_is_open])}"
