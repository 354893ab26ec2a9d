"""Rows of reports that break a rule, kept apart under the cell of their report, in every version."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from datasync_app.datasets.finance import BY_COMPANY_PERIOD, FINA_INDICATOR
from datasync_app.engine import quarantine
from datasync_app.engine.quarantine import LATER_FETCH, Broken
from datasync_app.engine.restate import as_json
from datasync_app.engine.versions import contents_of
from datasync_app.models import SyncQuarantine


def keep_apart(broken: Broken, settled: Collection[str], *, now: dt.datetime) -> set[str]:
    """Record broken rows, and close the entries of settled cells whose row the source has no more.

    `settled` are the cells that the answer settles. Gives the cells that have broken rows.
    """
    open_entries = {
        (entry.cell, entry.key.get("content")): entry
        for entry in SyncQuarantine.objects.filter(dataset=FINA_INDICATOR.name, resolved_at=None)
    }
    names = [field.name for field in broken.rows.columns]
    at = [names.index(name) for name in FINA_INDICATOR.key]
    seen = set()
    contents = contents_of(broken.rows)
    for row, rules, content in zip(broken.rows.rows, broken.rules, contents, strict=True):
        code, period = (row[index] for index in at)
        assert isinstance(period, dt.date)  # noqa: S101 (its type, declared)
        cell = BY_COMPANY_PERIOD.of(str(code), period).key
        entry = open_entries.get((cell, content)) or SyncQuarantine(
            dataset=FINA_INDICATOR.name,
            cell=cell,
            key={**as_json(FINA_INDICATOR.key, [code, period]), "content": content},
            row=as_json(names, row),
            at=now,
        )
        entry.rules = ",".join(rule.name for rule in rules)
        entry.reason = quarantine.reason(rules)
        entry.last_seen_at = now
        entry.save()
        seen.add((cell, content))
    gone = [entry.pk for at, entry in open_entries.items() if at[0] in settled and at not in seen]
    SyncQuarantine.objects.filter(pk__in=gone).update(resolved_at=now, resolved_by=LATER_FETCH)
    return {cell for cell, _ in seen}
