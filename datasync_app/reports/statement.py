"""What data rest on: per dataset what is complete, every exception, what was restated, a digest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.db.models import TextChoices
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasync_app.datasets.base import Dataset
from datasync_app.dates import SHANGHAI, market_day, show_date
from datasync_app.engine.coverage import Coverage, cover
from datasync_app.engine.identity import stored_identity
from datasync_app.errors import CalendarUnknown, DatasyncError
from datasync_app.models import SyncLedger, SyncQuarantine, SyncRestatement
from datasync_app.reports.content import Span, cells_within
from datasync_app.reports.digest import RECIPE, Digests, digests, over_all
from datasync_app.reports.spans import complete_spans
from datasync_app.snapshot import one_view

FORMAT = 1


class What(TextChoices):
    """What may be said of a cell that is not just good."""

    LATE = "late", _("late")
    MISSING = "missing", _("missing")
    WAIVED = "waived", _("nothing depends on it")
    DOUBT = "in doubt", _("in doubt")
    QUARANTINE = "in quarantine", _("in quarantine")
    DISPUTE = "in dispute", _("in dispute")
    ACCEPTED = "accepted", _("accepted")
    ABSENT = "without a row", _("without a row")


@dataclass(frozen=True)
class Finding:
    """An exception: a cell, what about it, and why. `codes` are the codes it is about, if any."""

    cell: str
    what: What
    reason: str
    codes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        found: dict[str, object] = {
            "cell": self.cell,
            "what": self.what.value,
            "reason": self.reason,
        }
        return {**found, "codes": list(self.codes)} if self.codes else found


@dataclass(frozen=True)
class Part:
    """A dataset in a report. `said` is why there is nothing to count, where there is not."""

    dataset: Dataset
    coverage: Coverage
    complete: tuple[str, ...]
    findings: tuple[Finding, ...]
    restatements: tuple[SyncRestatement, ...]
    digests: Digests

    @property
    def is_good(self) -> bool:
        return self.coverage.is_good

    def as_json(self) -> dict[str, object]:
        return {
            "dataset": self.dataset.name,
            "good": self.is_good,
            "complete": list(self.complete),
            "cells_good": self.coverage.good,
            "cells_not_good": len(self.coverage.open_cells),
            "cells_not_due_yet": self.coverage.not_due,
            "rows": self.coverage.rows,
            "said": self.coverage.said,
            "exceptions": [finding.as_json() for finding in self.findings],
            "restatements": [_restatement(each) for each in self.restatements],
            "digest": self.digests.as_json(),
        }


@dataclass(frozen=True)
class Report:
    """A range of dates, both included, as it stood at `made_at`; `source` is whose data these are."""

    span: Span
    made_at: dt.datetime
    source: str
    parts: tuple[Part, ...]

    @property
    def is_good(self) -> bool:
        """Whether everything that is due in the range is there."""
        return all(part.is_good for part in self.parts)

    @property
    def digest(self) -> str:
        return over_all(part.digests for part in self.parts)

    def as_json(self) -> dict[str, object]:
        assert self.span.first and self.span.last  # noqa: S101 (so `make_report` makes it)
        return {
            "format": FORMAT,
            "start": show_date(self.span.first),
            "end": show_date(self.span.last),
            "made_at": self.made_at.isoformat(),
            "source": self.source,
            "good": self.is_good,
            "digest": {"sha256": self.digest, "recipe": RECIPE},
            "datasets": [part.as_json() for part in self.parts],
        }


def make_report(
    datasets: Sequence[Dataset], first: dt.date, last: dt.date, *, now: dt.datetime
) -> Report:
    """The report of a range, all of it from one state of the database.

    Raises:
        DatasyncError: the range is empty, or begins in the future.
    """
    check_range(first, last, now=now)
    with one_view():
        parts = tuple(_part(dataset, Span(first, last), now) for dataset in datasets)
        return Report(Span(first, last), now, stored_identity() or "", parts)


def check_range(first: dt.date, last: dt.date, *, now: dt.datetime) -> None:
    """Raises DatasyncError where no day of the range can be told of."""
    if first > last:
        said = gettext("The range is empty: %(first)s lies after %(last)s.")
        raise DatasyncError(said % {"first": show_date(first), "last": show_date(last)})
    if first > market_day(now):
        said = gettext(
            "The start %(first)s lies in the future: it takes a date up to today, %(today)s."
        )
        told = {"first": show_date(first), "today": show_date(market_day(now))}
        raise DatasyncError(said % told)


def coverage_of(dataset: Dataset, span: Span, *, now: dt.datetime) -> Coverage:
    """What can be proved; where nobody knows which days were open, that is nothing."""
    try:
        return cover(dataset, span.first, span.last, now=now)
    except CalendarUnknown as unknown:
        return Coverage(dataset.name, said=str(unknown), was_fetched=False)


def _part(dataset: Dataset, span: Span, now: dt.datetime) -> Part:
    coverage = coverage_of(dataset, span, now=now)
    return Part(
        dataset=dataset,
        coverage=coverage,
        complete=tuple(complete_spans(dataset, span, coverage)),
        findings=tuple(_findings(dataset, span, coverage)),
        restatements=tuple(_restatements(dataset, span)),
        digests=digests(dataset, span),
    )


def _findings(dataset: Dataset, span: Span, coverage: Coverage) -> list[Finding]:
    """Newest first, as the cells are named; of one cell what is missing before what is known."""
    found = [
        Finding(key, What.LATE if key in coverage.late else What.MISSING, why)
        for key, why in coverage.open_cells.items()
    ]
    found += [Finding(key, What.WAIVED, why) for key, why in coverage.waived.items()]
    found += [Finding(key, What.DOUBT, why) for key, why in coverage.doubts.items()]
    for row in SyncQuarantine.objects.filter(
        dataset=dataset.name, cell__in=coverage.quarantined, resolved_at=None
    ):
        key = " ".join(map(str, row.key.values()))
        found.append(Finding(row.cell, What.QUARANTINE, f"{key}: {row.reason}"))
    for key, sisters_of in coverage.disputes.items():
        for sisters, codes in _by_value({c: ", ".join(s) for c, s in sisters_of.items()}):
            found.append(Finding(key, What.DISPUTE, gettext("held by %s") % sisters, codes))
    for entry in _remarkable(dataset, span):
        if entry.accepted_by:
            said = gettext("by %(who)s: %(why)s")
            told = {"who": entry.accepted_by, "why": entry.accepted_reason}
            found.append(Finding(entry.cell, What.ACCEPTED, said % told))
        for reason, codes in _by_value(entry.missing):
            found.append(Finding(entry.cell, What.ABSENT, reason, codes))
    return sorted(found, key=lambda finding: finding.cell, reverse=True)


def _remarkable(dataset: Dataset, span: Span) -> Iterable[SyncLedger]:
    """Cells that lack codes, for whatever reason, or that a person accepted."""
    condition = "(missing <> '{}' OR accepted_by <> '')"
    if within := cells_within(dataset, span):
        condition += f" AND {within}"
    entries = SyncLedger.objects.filter(dataset=dataset.name)
    return entries.extra(where=[condition]).iterator()  # noqa: S610 (of our own dates)


def _restatements(dataset: Dataset, span: Span) -> Iterable[SyncRestatement]:
    """What a later fetch changed in the cells of the range, newest first."""
    cells = SyncLedger.objects.filter(dataset=dataset.name)
    if within := cells_within(dataset, span):
        cells = cells.extra(where=[within])  # noqa: S610 (of our own dates)
    return SyncRestatement.objects.filter(dataset=dataset.name, cell__in=cells.values("cell"))


def _restatement(change: SyncRestatement) -> dict[str, object]:
    return {
        "cell": change.cell,
        "kind": change.kind,
        "key": change.key,
        "column": change.column,
        "old": change.old,
        "new": change.new,
        "at": change.at.astimezone(SHANGHAI).isoformat(),
    }


def _by_value(reasons: dict[str, str]) -> list[tuple[str, tuple[str, ...]]]:
    """The codes of each reason."""
    pairs = sorted((reason, code) for code, reason in reasons.items())
    return [
        (reason, tuple(code for _reason, code in of_reason))
        for reason, of_reason in groupby(pairs, key=lambda pair: pair[0])
    ]
