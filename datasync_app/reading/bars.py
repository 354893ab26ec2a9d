"""A stock's bars over a range, raw or adjusted, and why a trading day has none."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext as _

from datasync_app.datasets import DAILY
from datasync_app.dates import show_date
from datasync_app.engine import horizon
from datasync_app.engine.calendar import open_days
from datasync_app.engine.coverage import why_open
from datasync_app.engine.due import is_due
from datasync_app.errors import CalendarUnknown
from datasync_app.models import (
    GOOD_STATES,
    CodeChange,
    Daily,
    StockBasic,
    SuspendD,
    SyncLedger,
    SyncQuarantine,
)

PRICES = ("open", "high", "low", "close", "pre_close")


class Adjust(enum.StrEnum):
    """Raw prices; those of today's shares (forward); those of the first day's (backward)."""

    NONE = "none"
    FORWARD = "forward"
    BACKWARD = "backward"


class Why(enum.StrEnum):
    """The kind of reason for which a day has no bar; `reason` says it in words."""

    CLOSED = "closed"
    NOT_LISTED = "not_listed"
    SUSPENDED = "suspended"
    RENUMBERED = "renumbered"
    QUARANTINED = "quarantined"
    EXPLAINED = "explained"
    NOT_GOOD = "not_good"
    NOT_DUE = "not_due"
    NOT_KEPT = "not_kept"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Absence:
    """A day without a bar. `cell_id` is the ledger's row of that day, where there is one."""

    trade_date: dt.date
    kind: Why
    reason: str
    cell_id: int | None = None


# Without its factor an adjusted price is not known: NULL, and never the raw one.
_BARS = """
    SELECT d.trade_date, {prices}, d.pct_chg, d.vol, d.amount
    FROM daily d LEFT JOIN adj_factor f ON f.trade_date = d.trade_date AND f.ts_code = d.ts_code
    WHERE d.ts_code = %(code)s AND d.trade_date BETWEEN %(first)s AND %(last)s
    ORDER BY d.trade_date
"""
_NEWEST_FACTOR = """(
    SELECT n.adj_factor FROM adj_factor n WHERE n.ts_code = %(code)s
    ORDER BY n.trade_date DESC LIMIT 1
)"""
_FACTORS = {
    Adjust.NONE: "",
    Adjust.BACKWARD: " * f.adj_factor",
    Adjust.FORWARD: f" * f.adj_factor / {_NEWEST_FACTOR}",
}


def bars(code: str, first: dt.date, last: dt.date, adjust: Adjust) -> list[dict[str, Any]]:
    """The bars of a code, oldest first; prices in yuan, `vol` in lots, `amount` in thousand yuan."""
    prices = ", ".join(f"d.{price}{_FACTORS[adjust]}" for price in PRICES)
    names = ("trade_date", *PRICES, "pct_chg", "vol", "amount")
    with connection.cursor() as cursor:
        cursor.execute(_BARS.format(prices=prices), {"code": code, "first": first, "last": last})
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def newest_day(code: str) -> dt.date | None:
    newest = Daily.objects.filter(ts_code=code).order_by("-trade_date")
    return newest.values_list("trade_date", flat=True).first()


def absences(
    code: str, first: dt.date, last: dt.date, held: Iterable[dt.date], *, now: dt.datetime
) -> tuple[list[Absence], str]:
    """The trading days from first to last without a bar, and what keeps anybody from naming them.

    A single day is answered even where it is no trading day. The number of queries does not depend
    on the range, save where the calendar of a year is not held.
    """
    have = set(held)
    open_there, doubt = _open_days(first, last)
    days = [day for day in open_there if day not in have]
    if first == last and not (open_there or doubt) and first not in have:
        closed = Absence(first, Why.CLOSED, _("The exchanges were closed."))
        return [closed], ""
    if not days:
        return [], doubt
    known = _Known.of(code, days[0], days[-1])
    return [known.why(day, now) for day in days], doubt


def _open_days(first: dt.date, last: dt.date) -> tuple[list[dt.date], str]:
    """The open days of the years whose calendar is held, and what is said of the others."""
    try:
        return open_days(first, last), ""
    except CalendarUnknown as unknown:
        doubt = str(unknown)
    days: list[dt.date] = []
    for year in range(first.year, last.year + 1):
        with suppress(CalendarUnknown):
            days += open_days(max(first, dt.date(year, 1, 1)), min(last, dt.date(year, 12, 31)))
    return days, doubt


@dataclass(frozen=True)
class _Known:
    """What is held about a code and a range of days."""

    listing: StockBasic | None
    change: CodeChange | None
    suspended: frozenset[dt.date]
    quarantined: Mapping[str, str]
    cells: Mapping[dt.date, SyncLedger]
    kept_from: dt.date | None

    @classmethod
    def of(cls, code: str, first: dt.date, last: dt.date) -> _Known:
        span = {"trade_date__range": (first, last)}
        all_day = SuspendD.objects.filter(
            ts_code=code, suspend_type="S", suspend_timing=None, **span
        )
        cells = SyncLedger.objects.filter(dataset=DAILY.name, cell_date__range=(first, last)).defer(
            "missing", "disputes", "doubt"
        )
        apart = SyncQuarantine.objects.filter(
            dataset=DAILY.name, key__ts_code=code, resolved_at=None
        )
        return cls(
            StockBasic.objects.filter(pk=code).first(),
            CodeChange.objects.filter(pk=code).first(),
            frozenset(all_day.values_list("trade_date", flat=True)),
            dict(apart.values_list("cell", "reason")),
            {
                cell.cell_date: cell
                for cell in cells.annotate(lacks=KeyTextTransform(code, "missing"))
                if cell.cell_date
            },
            horizon.of(DAILY),
        )

    def why(self, day: dt.date, now: dt.datetime) -> Absence:
        cell = self.cells.get(day)
        kind, reason = self._reason(day, cell, now)
        return Absence(day, kind, reason, cell.pk if cell else None)

    def _reason(self, day: dt.date, cell: SyncLedger | None, now: dt.datetime) -> tuple[Why, str]:
        if found := self._of_the_code(day):
            return found
        if said := self.quarantined.get(show_date(day)):
            text = _("The source's row is in quarantine: %s.") % said
            return Why.QUARANTINED, text
        if cell is None:
            return self._never_fetched(day, now)
        lacks = getattr(cell, "lacks", None)
        if lacks and lacks != "unexplained":
            return Why.EXPLAINED, _("The ledger says: %s.") % lacks
        if cell.state not in GOOD_STATES:
            return Why.NOT_GOOD, _("The day is not whole: %s.") % why_open(cell)
        return Why.UNKNOWN, _("The day is complete, and the source has no such code in it.")

    def _of_the_code(self, day: dt.date) -> tuple[Why, str] | None:
        listing, change = self.listing, self.change
        if listing and listing.list_date and day < listing.list_date:
            return Why.NOT_LISTED, _("It was listed on %s.") % listing.list_date
        if listing and listing.delist_date and day >= listing.delist_date:
            return Why.NOT_LISTED, _("It was delisted on %s.") % listing.delist_date
        if change and day >= change.from_date:
            told = {"code": change.new_code, "day": change.from_date}
            return Why.RENUMBERED, _("It is %(code)s since %(day)s.") % told
        if day in self.suspended:
            return Why.SUSPENDED, _("It was suspended all day.")
        return None

    def _never_fetched(self, day: dt.date, now: dt.datetime) -> tuple[Why, str]:
        if not is_due(DAILY, day, now):
            return Why.NOT_DUE, _("The day is not out yet.")
        if self.kept_from is not None and day < self.kept_from:
            return Why.NOT_KEPT, _("Daily bars are kept from %s on.") % self.kept_from
        return Why.NOT_GOOD, _("The day was never fetched.")
