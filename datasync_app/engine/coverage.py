"""What the ledger can prove of a dataset: which due cells are good, and which are not and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.concept import CONCEPT_SOURCES, ByConcept, ConceptList
from datasync_app.datasets.cuts import ByExchangeYear, ByListStatus, Whole
from datasync_app.datasets.finance import DISCLOSURE_DATE, FINA_INDICATOR
from datasync_app.datasets.market import EXCHANGES, STOCK_BASIC
from datasync_app.dates import SHANGHAI, market_day, show_date
from datasync_app.engine import concepts, horizon, ledger
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.engine.finance.coverage import disclosure_cells, in_words, periods_of
from datasync_app.engine.plan import plan_range
from datasync_app.errors import DatasyncError
from datasync_app.models import GOOD_STATES, CellState, SyncLedger, SyncQuarantine

SHOWN_CODES = 20


@dataclass(frozen=True)
class Coverage:
    """What is good and what is not of the cells that should be.

    `open_cells` are due and not good: those in `late` have no rows yet, because nothing was fetched
    or the source has none, the others are incomplete after attempts. `waived` are not good either,
    but nothing depends on them. `absences` counts codes without a row for a known reason.
    `disputes` are codes that a sister dataset holds, by cell; `doubts` good cells of which the source
    now gives less; `quarantined` counts rows set apart, by cell. `periods` says of each report period
    how it stands. `said` replaces the figures where there is nothing to count, or too many cells.
    """

    dataset: str
    first: str = ""
    last: str = ""
    good: int = 0
    rows: int = 0
    absences: int = 0
    not_due: int = 0
    open_cells: dict[str, str] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    waived: dict[str, str] = field(default_factory=dict)
    disputes: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    periods: dict[str, str] = field(default_factory=dict)
    said: str = ""
    was_fetched: bool = True

    @property
    def is_good(self) -> bool:
        return self.was_fetched and not self.open_cells

    @property
    def is_undisputed(self) -> bool:
        """Good, and nothing that is held contradicts anything else."""
        return self.is_good and not (self.disputes or self.doubts or self.quarantined)

    def sentence(self) -> str:
        if self.said:
            return f"{self.dataset}: {self.said}"
        # Only dates are a range: from the first company to the last says nothing.
        span = (
            f" {self.first} to {self.last}" if self.first.isdigit() and self.last.isdigit() else ""
        )
        text = (
            f"{self.dataset}{span}: {self.good} of {self.good + len(self.open_cells)} cells good, "
            f"{self.rows} rows"
        )
        counted = {
            "absences with a reason": self.absences,
            "late": len(self.late),
            "missing": len(self.open_cells) - len(self.late),
            "not due yet": self.not_due,
            "codes in dispute": sum(map(len, self.disputes.values())),
            "in doubt": len(self.doubts),
            "rows in quarantine": sum(self.quarantined.values()),
        }
        return ", ".join(
            [text, *(f"{number} {what}" for what, number in counted.items() if number)]
        )

    def lines(self) -> list[str]:
        """What the sentence only counts, newest first."""
        open_cells = {
            key: f"{'late' if key in self.late else 'missing'}: {why}"
            for key, why in self.open_cells.items()
        }
        waived = {key: f"nothing depends on it: {why}" for key, why in self.waived.items()}
        disputed = {key: _show_disputes(codes) for key, codes in self.disputes.items()}
        apart = {
            key: f"{rows} row{'s' if rows > 1 else ''} in quarantine"
            for key, rows in self.quarantined.items()
        }
        others = {key: how for key, how in self.periods.items() if key not in open_cells}
        found = [
            (key, what)
            for told in (open_cells, others, waived, disputed, self.doubts, apart)
            for key, what in told.items()
        ]
        return [
            f"{key}: {what}" for key, what in sorted(found, key=lambda one: one[0], reverse=True)
        ]

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {
            "dataset": self.dataset,
            "first": self.first,
            "last": self.last,
            "cells_good": self.good,
            "cells_open": self.open_cells,
            "cells_late": sorted(self.late),
            "cells_missing": sorted(self.open_cells.keys() - self.late),
            "cells_waived": self.waived,
            "cells_not_due_yet": self.not_due,
            "rows": self.rows,
            "absences_with_a_reason": self.absences,
            "disputes": self.disputes,
            "doubts": self.doubts,
            "rows_in_quarantine": self.quarantined,
        }
        if self.periods:
            result["periods"] = self.periods
        return {**result, "said": self.said} if self.said else result


def cover(
    dataset: Dataset, start: dt.date | None, end: dt.date | None, *, now: dt.datetime
) -> Coverage:
    """The coverage of a range, by default from the dataset's own horizon to today.

    The cells come from the declaration, never from what happens to be in the ledger: a gap there
    is just what must be seen.

    Raises:
        DatasyncError: the range is empty, or lies in the future.
        CalendarUnknown: which days were open cannot be told.
    """
    if isinstance(dataset.cut, (ByListStatus, Whole)):
        return _coverage(dataset, dataset.cut.all())
    if isinstance(dataset.cut, (ConceptList, ByConcept)):
        return _cover_concepts(dataset)
    if (cover_finance := _FINANCE.get(dataset.name)) is not None:
        return cover_finance(start, end, now)
    return _cover_dates(dataset, start, end, now)


def _cover_dates(
    dataset: Dataset, start: dt.date | None, end: dt.date | None, now: dt.datetime
) -> Coverage:
    """Trade dates, and the calendar that they are planned by."""
    first = start or horizon.of(dataset) or horizon.earliest()
    last = min(end or market_day(now), market_day(now))
    if first is None:
        return _never_fetched(dataset)
    if end is not None and first > end:
        raise DatasyncError(
            _("The range is empty: %(first)s lies after %(last)s.")
            % {"first": show_date(first), "last": show_date(end)}
        )
    if first > last:
        raise DatasyncError(
            _("The start %(first)s lies in the future: it takes a date up to today, %(today)s.")
            % {"first": show_date(first), "today": show_date(last)}
        )
    if isinstance(dataset.cut, ByExchangeYear):
        years = range(max(first, dataset.first_date).year, last.year + 1)
        cut = dataset.cut
        cells = [cut.of(exchange, year) for exchange in EXCHANGES for year in years]
        return _coverage(dataset, cells, waivable=True)
    plan = plan_range(dataset, first, last, now=now)
    if not plan.due and not plan.not_due:
        said = f"no open day from {show_date(first)} to {show_date(last)}"
        return Coverage(dataset.name, said=said)
    cells = sorted(plan.due, key=lambda cell: cell.key)
    outdated = frozenset(cell.key for cell in plan.todo)
    return _coverage(
        dataset,
        cells,
        since=show_date(first),
        not_due=len(plan.not_due),
        outdated=outdated,
    )


def _cover_concepts(dataset: Dataset) -> Coverage:
    """The list or the constituents of a source; one that nobody asked for is no gap."""
    if cells := concepts.cells_of(dataset):
        return _coverage(dataset, cells)
    taken = SyncLedger.objects.filter(
        dataset__in=[source.listed.name for source in CONCEPT_SOURCES.values()]
    )
    source = concepts.source_of(dataset)
    wanted = concepts.candidates(settings.SYNC_CONCEPT_SOURCE)[0]
    if taken.exists() or source is not wanted:
        return Coverage(dataset.name, said="not the source that concepts are taken from")
    return _never_fetched(dataset)


def _never_fetched(dataset: Dataset) -> Coverage:
    return Coverage(dataset.name, said="nothing was ever fetched", was_fetched=False)


def _coverage_of_disclosures(
    start: dt.date | None, end: dt.date | None, now: dt.datetime
) -> Coverage:
    days = disclosure_cells(start, end, now=now)
    if days is not None:
        return _coverage(DISCLOSURE_DATE, days)
    if denied := _newest_denial(DISCLOSURE_DATE):
        return Coverage(DISCLOSURE_DATE.name, said=denied)
    return _never_fetched(DISCLOSURE_DATE)


def _coverage_of_reports(start: dt.date | None, end: dt.date | None, now: dt.datetime) -> Coverage:
    """Reports are counted by period: their cells are far too many to list."""
    entries = SyncLedger.objects.filter(dataset=FINA_INDICATOR.name)
    newest = entries.order_by("-updated_at").first()
    if newest is None:
        if denied := _newest_denial(STOCK_BASIC):
            said = f"no report is asked for without stock_basic, which is {denied}"
            return Coverage(FINA_INDICATOR.name, said=said)
        return _never_fetched(FINA_INDICATOR)
    periods = periods_of(start, end, now=now)
    if not periods:
        return Coverage(FINA_INDICATOR.name, said="no report was due")
    held = sum(standing.held for standing in periods)
    if not held and (denied := _denial({newest.cell: newest})):
        return Coverage(FINA_INDICATOR.name, said=denied)
    absent = sum(standing.absent for standing in periods)
    expected = sum(standing.expected for standing in periods)
    open_periods = [standing for standing in periods if not standing.is_good]
    of_them = entries.filter(cell_date__in=[standing.period for standing in periods])
    apart = SyncQuarantine.objects.filter(dataset=FINA_INDICATOR.name, resolved_at=None)
    return Coverage(
        dataset=FINA_INDICATOR.name,
        first=show_date(periods[-1].period),
        last=show_date(periods[0].period),
        good=held + absent,
        rows=of_them.aggregate(rows=Sum("received_rows"))["rows"] or 0,
        absences=absent,
        open_cells=in_words(open_periods),
        late=frozenset(in_words([standing for standing in open_periods if not standing.missing])),
        disputes=dict(of_them.exclude(disputes={}).values_list("cell", "disputes")),
        quarantined=dict(apart.values_list("cell").annotate(Count("id")).order_by("cell")),
        periods=in_words(periods),
        said=f"{held + absent} of {expected} reports good in {len(periods)} periods",
    )


_FINANCE = {
    DISCLOSURE_DATE.name: _coverage_of_disclosures,
    FINA_INDICATOR.name: _coverage_of_reports,
}


def _coverage(
    dataset: Dataset,
    cells: Sequence[Cell],
    *,
    since: str = "",
    not_due: int = 0,
    waivable: bool = False,
    outdated: frozenset[str] = frozenset(),
) -> Coverage:
    entries = ledger.entries(dataset, cells)
    good = {
        key: entry
        for key, entry in entries.items()
        if entry.state in GOOD_STATES and not entry.not_asked and key not in outdated
    }
    if not good and (denied := _denial(entries)):
        return Coverage(dataset.name, said=denied)
    open_cells: dict[str, str] = {}
    waived: dict[str, str] = {}
    for cell in cells:
        if cell.key in good:
            continue
        # SZSE has the days of SSE, which is enough to plan by; a source may lack its calendar.
        twin = cell.key.replace("SZSE", "SSE")
        why = why_open(entries.get(cell.key))
        (waived if waivable and twin in good else open_cells)[cell.key] = why
    return Coverage(
        dataset=dataset.name,
        first=since or (cells[0].key if cells else ""),
        last=cells[-1].key if cells else "",
        good=len(good),
        rows=sum(entry.received_rows for entry in good.values()),
        absences=sum(len(entry.missing) for entry in good.values()),
        not_due=not_due,
        open_cells=open_cells,
        late=frozenset(key for key in open_cells if _is_late(entries.get(key))),
        waived=waived,
        disputes={key: entry.disputes for key, entry in entries.items() if entry.disputes},
        doubts={
            key: _show_doubt(entry.doubt, entry.last_error)
            for key, entry in good.items()
            if entry.doubt
        },
        quarantined=_in_quarantine(dataset, entries),
    )


def _newest_denial(dataset: Dataset) -> str:
    """What `_denial` says of all that was ever asked for of a dataset."""
    entries = SyncLedger.objects.filter(dataset=dataset.name).order_by("-updated_at")[:1]
    return _denial({entry.cell: entry for entry in entries})


def _denial(entries: dict[str, SyncLedger]) -> str:
    """Why this token may not have the dataset, where that is what its newest cell says."""
    newest = max(entries.values(), key=lambda entry: entry.updated_at, default=None)
    is_denied = newest is not None and newest.last_error.startswith(NOT_AVAILABLE)
    return newest.last_error if newest is not None and is_denied else ""


def _is_late(entry: SyncLedger | None) -> bool:
    """Nothing has come yet; what was fetched and is not whole is missing something."""
    if entry is None or entry.state in GOOD_STATES:
        return not (entry and entry.not_asked)
    return entry.state == CellState.DUE and not entry.received_rows


def why_open(entry: SyncLedger | None) -> str:
    if entry is None:
        return _("never fetched")
    if entry.state in GOOD_STATES and entry.not_asked:
        said = _("fetched before these columns were kept: %(columns)s")
        return said % {"columns": ", ".join(entry.not_asked)}
    if entry.state in GOOD_STATES:
        return _("its newest day is not fetched yet")
    return f"{entry.state}: {entry.last_error}".rstrip(": ")


def _show_disputes(codes: dict[str, list[str]]) -> str:
    by_sisters: dict[str, list[str]] = {}
    for code, sisters in sorted(codes.items()):
        by_sisters.setdefault(" and ".join(sisters), []).append(code)
    shown = (
        f"{sisters} has {', '.join(held[:SHOWN_CODES])}"
        + (f" and {len(held) - SHOWN_CODES} more" if len(held) > SHOWN_CODES else "")
        for sisters, held in by_sisters.items()
    )
    return f"in dispute: {'; '.join(shown)}"


def _show_doubt(doubt: dict[str, str], problem: str) -> str:
    since = dt.datetime.fromisoformat(doubt["since"]).astimezone(SHANGHAI)
    return f"in doubt since {since:%Y-%m-%d %H:%M %z}: {problem}"


def _in_quarantine(dataset: Dataset, entries: dict[str, SyncLedger]) -> dict[str, int]:
    rows = SyncQuarantine.objects.filter(
        dataset=dataset.name, cell__in=list(entries), resolved_at=None
    )
    return dict(rows.values_list("cell").annotate(Count("id")).order_by("cell"))
