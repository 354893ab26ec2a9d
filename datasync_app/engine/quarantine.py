"""Rows that break a rule of the market: set apart before the data are written, with the reason.

A row in quarantine counts as not received. Its cell stays partial and is asked for again, until a
good row comes for the key or two fetches agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from django.utils import translation
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.rules import Rule
from datasync_app.engine.checks import Earlier, Verdict, agrees
from datasync_app.engine.columns import Column, no_values, plain
from datasync_app.engine.held import Key, keys, name_of
from datasync_app.engine.restate import as_json
from datasync_app.engine.rows import TypedRows
from datasync_app.models import GOOD_STATES, CellState, SyncQuarantine, TradeCal

LATER_FETCH = gettext_noop("a later fetch brought a good row")
QUARANTINED = gettext_noop("quarantined: %(rules)s")
_SHOWN = 5


@dataclass(frozen=True)
class Broken:
    """Rows that were set apart; `rules[n]` are those that row n breaks."""

    rows: TypedRows
    rules: tuple[tuple[Rule, ...], ...]

    def __len__(self) -> int:
        return len(self.rules)


def set_apart(dataset: Dataset, cell: Cell, rows: TypedRows) -> tuple[TypedRows, Broken]:
    """The rows that break no rule of their dataset, and those that do."""
    view = _View(dataset, cell, rows)
    masks = [(rule, rule.broken(view)) for rule in dataset.quarantine] if len(rows) else []
    broken = np.logical_or.reduce([mask for _, mask in masks]) if masks else np.array([])
    if not broken.any():
        return rows, Broken(rows.nothing, ())
    rules = tuple(tuple(rule for rule, mask in masks if mask[at]) for at in np.flatnonzero(broken))
    return rows.only(~broken), Broken(rows.only(broken), rules)


def record(
    dataset: Dataset, cell: Cell, broken: Broken, good: TypedRows, *, now: dt.datetime
) -> None:
    """Keep the broken rows, one open entry for each key, and close those that a good row replaces."""
    entries = {
        _hashable(entry.key): entry
        for entry in SyncQuarantine.objects.filter(
            dataset=dataset.name, cell=cell.key, resolved_at=None
        )
    }
    if entries:
        resolved = [
            entries[shown].pk
            for key in keys(dataset, good)
            if (shown := _hashable(as_json(dataset.key, key))) in entries
        ]
        SyncQuarantine.objects.filter(pk__in=resolved).update(
            resolved_at=now, resolved_by=LATER_FETCH
        )
    names = [field.name for field in broken.rows.columns]
    for key, row, rules in zip(
        keys(dataset, broken.rows), broken.rows.rows, broken.rules, strict=True
    ):
        shown_key = as_json(dataset.key, key)
        entry = entries.get(_hashable(shown_key)) or SyncQuarantine(
            dataset=dataset.name, cell=cell.key, key=shown_key, at=now
        )
        entry.row = as_json(names, row)
        entry.rules = ",".join(rule.name for rule in rules)
        entry.reason = reason(rules)
        entry.last_seen_at = now
        entry.save()


def lacking(dataset: Dataset, cell: Cell, broken: Broken, held: Collection[Key]) -> dict[str, str]:
    """The keys whose only row is in quarantine, as the ledger names them, with the reason."""
    rules = zip(keys(dataset, broken.rows), broken.rules, strict=True)
    return {
        name_of(dataset, cell, key): QUARANTINED % {"rules": reason(broken_rules)}
        for key, broken_rules in rules
        if key not in held
    }


def still_lacking(dataset: Dataset, cell: Cell) -> dict[str, str]:
    """The same by the entries that are open."""
    entries = SyncQuarantine.objects.filter(dataset=dataset.name, cell=cell.key, resolved_at=None)
    return {
        name_of(dataset, cell, [entry.key[name] for name in dataset.key]): (
            QUARANTINED % {"rules": entry.reason}
        )
        for entry in entries
    }


def with_quarantined(
    verdict: Verdict, lacking: Mapping[str, str], earlier: Earlier | None, now: dt.datetime
) -> Verdict:
    """The verdict on a cell of which these keys came broken: partial until two fetches agree."""
    if not lacking:
        return verdict
    missing = {**verdict.missing, **lacking}
    if verdict.state not in GOOD_STATES or agrees(frozenset(missing), earlier, now):
        return replace(verdict, missing=missing)
    examples = "; ".join(f"{key} ({why})" for key, why in list(lacking.items())[:_SHOWN])
    rows = "1 row broke a rule" if len(lacking) == 1 else f"{len(lacking)} rows broke a rule"
    problem = f"{rows} and came into quarantine: {examples}"
    return replace(verdict, state=CellState.PARTIAL, missing=missing, problem=problem)


def reason(rules: tuple[Rule, ...]) -> str:
    """In English, as everything that is stored."""
    with translation.override("en"):
        return "; ".join(str(rule.sentence) for rule in rules)


def _hashable(key: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(sorted(key.items()))


class _View:
    """The columns of an answer as rules see them; what it lacks is NULL."""

    def __init__(self, dataset: Dataset, cell: Cell, rows: TypedRows) -> None:
        self._dataset, self._cell, self._rows = dataset, cell, rows

    def __getitem__(self, name: str) -> Column:
        try:
            return self._rows[name]
        except KeyError:
            field = next(field for field in self._dataset.fields if field.name == name)
            return no_values(field, len(self._rows))

    def closed(self, name: str) -> NDArray[np.bool_]:
        days = self[name]
        # The cell of a trade date was planned because the calendar has that day open.
        others = [
            day
            for day in plain(np.unique(days))
            if isinstance(day, dt.date) and day != self._cell.date
        ]
        if not others:
            return np.zeros(len(days), dtype=np.bool_)
        known = TradeCal.objects.filter(cal_date__in=others).values_list("cal_date", "is_open")
        open_days = {day for day, is_open in known if is_open}
        closed_days = {day for day, _ in known} - open_days
        return np.isin(days, np.array(sorted(closed_days), dtype="datetime64[D]"))
