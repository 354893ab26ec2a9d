"""What Prometheus is told of calls and data, from the journal's and the ledger's tables."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection
from prometheus_client.core import Metric

from scheduler_app.metrics import gauges, register_metrics

_CALLS = """
    SELECT api_name, outcome, count(*), coalesce(sum(rows), 0), sum(waited_ms) / 1000.0
    FROM tushare_call WHERE at > statement_timestamp() - interval '1 hour'
    GROUP BY api_name, outcome ORDER BY api_name, outcome
"""
# One look at the ledger: a row per cell, some ten thousand in all.
_CELLS = """
    SELECT dataset, state, count(*), sum(received_rows),
        count(*) FILTER (WHERE state NOT IN ('complete', 'empty_confirmed')
            AND coalesce(next_attempt_at, '-infinity') <= statement_timestamp())
    FROM sync_ledger GROUP BY dataset, state ORDER BY dataset, state
"""


def data_metrics() -> Iterator[Metric]:
    """Calls and refusals by endpoint in the last hour; rows, cells and late cells by dataset."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS)
        calls = cursor.fetchall()
        cursor.execute(_CELLS)
        cells = cursor.fetchall()
    yield gauges(
        "tushare_calls_last_hour",
        "calls that were let go in the last hour, by what became of them",
        ["api_name", "outcome"],
        [([api_name, outcome], count) for api_name, outcome, count, _rows, _waited in calls],
    )
    yield gauges(
        "tushare_rows_last_hour",
        "rows that came in the last hour",
        ["api_name"],
        _summed((api_name, rows) for api_name, _outcome, _count, rows, _waited in calls),
    )
    yield gauges(
        "tushare_waited_seconds_last_hour",
        "what the calls of the last hour waited for their quota, in all",
        ["api_name"],
        _summed((api_name, waited) for api_name, _outcome, _count, _rows, waited in calls),
    )
    yield gauges(
        "cells",
        "cells of the ledger by state",
        ["dataset", "state"],
        [([dataset, state], count) for dataset, state, count, _rows, _late in cells],
    )
    yield gauges(
        "rows",
        "rows that the ledger holds",
        ["dataset"],
        _summed((dataset, rows) for dataset, _state, _count, rows, _late in cells),
    )
    yield gauges(
        "late_cells",
        "cells that are due to be tried and are not good",
        ["dataset"],
        _summed((dataset, late) for dataset, _state, _count, _rows, late in cells),
    )


def _summed(parts: Iterator[tuple[str, float]]) -> list[tuple[list[str], float]]:
    totals: dict[str, float] = {}
    for name, part in parts:
        totals[name] = totals.get(name, 0.0) + float(part)
    return [([name], total) for name, total in totals.items()]


register_metrics("data", data_metrics)
