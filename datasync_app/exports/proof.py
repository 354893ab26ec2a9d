"""What of an export is proved: each dataset from its horizon to today, and the cells that are not good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.cuts import ByCodeYear, ByTradeDate
from datasync_app.engine import horizon
from datasync_app.errors import ExportRefused
from datasync_app.reports.content import Span
from datasync_app.reports.statement import coverage_of

SHOWN = 20


@dataclass(frozen=True)
class Proof:
    """`span` is what is exported, `gaps` the cells in it that are not good, and why."""

    dataset: Dataset
    span: Span
    gaps: Mapping[str, str]

    def of_year(self, year: int | None) -> dict[str, str]:
        """The gaps of a year; a gap that is of no year in particular is one of each."""
        return {key: why for key, why in self.gaps.items() if _year(key) in (None, year)}


def prove(dataset: Dataset, *, now: dt.datetime) -> Proof:
    """From the horizon on, where the dataset has one: what lies before was never promised."""
    is_dated = isinstance(dataset.cut, (ByTradeDate, ByCodeYear))
    span = Span(horizon.of(dataset) if is_dated else None)
    coverage = coverage_of(dataset, Span(), now=now)
    gaps = dict(coverage.open_cells)
    if coverage.said and not coverage.good:
        gaps = {"all": coverage.said}
    return Proof(dataset, span, gaps)


def refuse_gaps(proofs: Iterable[Proof], *, allowed: bool) -> None:
    """Raises ExportRefused, which names the cells, unless what is not proved is allowed."""
    if allowed or settings.SERVE_INCOMPLETE:
        return
    found = [(proof.dataset.name, *gap) for proof in proofs for gap in proof.gaps.items()]
    if not found:
        return
    shown = "; ".join(f"{name} {cell} ({why})" for name, cell, why in found[:SHOWN])
    if len(found) > SHOWN:
        told = {"cells": shown, "others": len(found) - SHOWN}
        shown = _("%(cells)s; and %(others)d more") % told
    said = _(
        "Nothing was exported, as this database cannot prove all of it. Not good are: %(cells)s. "
        "Sync them, name other --datasets, or say --allow-incomplete to have them marked."
    )
    raise ExportRefused(said % {"cells": shown})


def _year(key: str) -> int | None:
    """Of a trade date or a period, YYYYMMDD, or of a year, CODE:YYYY."""
    if key.isdigit() and len(key) == 8:
        return int(key[:4])
    _name, _, year = key.rpartition(":")
    return int(year) if year.isdigit() and len(year) == 4 else None
