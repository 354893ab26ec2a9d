"""A report for people: what it says dataset by dataset, long runs of one exception in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasync_app.models import SyncRestatement
from datasync_app.reasons import in_words
from datasync_app.reports.statement import Finding, Part, Report, What

SHOWN_CODES = 20


@dataclass(frozen=True)
class Line:
    """One exception, or a run of cells that share it. `cells` is a name or two."""

    cells: str
    what: str
    reason: str


def lines_of(findings: Sequence[Finding]) -> list[Line]:
    """Cells that follow one another with the same exception are one line; codes are named."""
    runs = groupby(findings, key=lambda found: (found.what, found.reason, found.codes))
    return [
        Line(
            _cells([found.cell for found in run]),
            str(what.label),
            _with_codes(_reason(what, reason), codes),
        )
        for (what, reason, codes), run in runs
    ]


def restated(change: SyncRestatement) -> str:
    """A restatement in words."""
    key = " ".join(str(part) for part in change.key.values())
    if change.kind == "value":
        return f"{key} {change.column}: {change.old} → {change.new}"
    return " ".join(filter(None, (str(change.get_kind_display()), key, str(change.new or ""))))


def text_of(report: Report) -> Iterator[str]:
    """The report, line by line."""
    for part in report.parts:
        yield f"{part.dataset.name}: {verdict(part)}"
        for finding in lines_of(part.findings):
            yield f"  {finding.cells}: {finding.what}: {finding.reason}"
        for change in part.restatements:
            yield "  " + _("%(cell)s: restated: %(how)s") % {
                "cell": change.cell,
                "how": restated(change),
            }
        yield f"  rows   {part.digests.rows.sha256}"
        yield f"  ledger {part.digests.ledger.sha256}"
    yield f"digest {report.digest}"
    yield _("Everything due is there.") if report.is_good else _("Not everything due is there.")


def verdict(part: Part) -> str:
    """What is complete of a dataset, and how many cells are not."""
    coverage, said = part.coverage, [part.coverage.said]
    if part.complete:
        said.append(_("complete %s") % ", ".join(map(_stretch, part.complete)))
        said.append(ngettext("%d row", "%d rows", coverage.rows) % coverage.rows)
    if gaps := len(coverage.open_cells):
        said.append(ngettext("%d cell is not good", "%d cells are not good", gaps) % gaps)
    if coverage.not_due:
        said.append(_("%d not due yet") % coverage.not_due)
    return "; ".join(filter(None, said)) or _("nothing is held")


def _cells(names: Iterable[str]) -> str:
    names = list(names)
    if len(names) == 1:
        return names[0]
    told = {"first": names[-1], "last": names[0], "count": len(names)}
    return _("%(first)s to %(last)s (%(count)d cells)") % told


def _reason(what: What, reason: str) -> str:
    if what != What.QUARANTINE:
        return in_words(reason)
    key, _colon, rules = reason.partition(": ")
    return f"{key}: {in_words(rules)}"


def _stretch(ends: str) -> str:
    """As `complete_spans` gives it, in English for programs; a day or a moment is the same to all."""
    first, to, last = ends.partition(" to ")
    return _("%(first)s to %(last)s") % {"first": first, "last": last} if to else first


def _with_codes(reason: str, codes: Sequence[str]) -> str:
    if not codes:
        return reason
    shown = ", ".join(codes[:SHOWN_CODES])
    if others := len(codes) - SHOWN_CODES:
        shown += _(" and %d more") % others if others > 0 else ""
    return f"{reason}: {shown}"
