"""Versions that the source replaced: the same announcement and flag, with other values.

A correction that comes beside what it corrects is a version of its own, and no restatement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

from datasync_app.datasets.finance import BY_COMPANY_PERIOD, FINA_INDICATOR
from datasync_app.engine.held import shown
from datasync_app.engine.rows import TypedRows
from datasync_app.models import FINA_NUMBERS, FinaIndicator, RestatementKind, SyncRestatement

_REPLACED = """
SELECT DISTINCT ON (fresh.ts_code, fresh.end_date, fresh.content)
       fresh.ts_code, fresh.end_date, fresh.content, held.content
FROM unnest(%s::varchar[], %s::date[], %s::varchar[]) AS given (ts_code, end_date, content)
JOIN fina_indicator AS fresh USING (ts_code, end_date, content)
JOIN fina_indicator AS held ON held.ts_code = fresh.ts_code AND held.end_date = fresh.end_date
    AND held.ann_date IS NOT DISTINCT FROM fresh.ann_date
    AND held.update_flag IS NOT DISTINCT FROM fresh.update_flag
WHERE fresh.first_seen_at = %s AND held.last_seen_at < %s
ORDER BY fresh.ts_code, fresh.end_date, fresh.content, held.last_seen_at DESC, held.content
"""


def record_restated(rows: TypedRows, contents: Sequence[str], *, now: dt.datetime) -> None:
    """Write down what rows that are first seen now say otherwise than those they replace.

    Call after the versions were merged, in the same transaction.
    """
    with connection.cursor() as cursor:
        given = [rows.column("ts_code"), rows.column("end_date"), list(contents)]
        cursor.execute(_REPLACED, [*given, now, now])  # type: ignore[list-item]  # arrays
        replaced = cursor.fetchall()
    entries = [
        entry
        for code, period, new, old in replaced
        for entry in _changes(code, period, old, new, now)
    ]
    SyncRestatement.objects.bulk_create(entries)


def _changes(
    code: str, period: dt.date, old: str, new: str, now: dt.datetime
) -> Iterator[SyncRestatement]:
    versions = FinaIndicator.objects.filter(ts_code=code, end_date=period)
    before: dict[str, Any] = {**versions.filter(content=old).values().get()}
    after: dict[str, Any] = {**versions.filter(content=new).values().get()}
    names = ("ts_code", "end_date", "ann_date", "update_flag")
    for column in FINA_NUMBERS:
        if before[column] != after[column]:
            yield SyncRestatement(
                dataset=FINA_INDICATOR.name,
                cell=BY_COMPANY_PERIOD.of(code, period).key,
                kind=RestatementKind.VALUE,
                key={name: shown(after[name]) for name in names},
                column=column,
                old=before[column],
                new=after[column],
                at=now,
            )
