"""What a run did, dataset by dataset, on the page of its execution: cells, rows, calls, waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, Sum
from django.http import HttpRequest

from datasync_app.datasets import DATASETS
from datasync_app.models import SyncLedger, TushareCall
from scheduler_app.models import ExecutionLog


@dataclass(frozen=True)
class OpenCell:
    """A cell that the run left open, and why; `pk` leads to it, where it is in the ledger."""

    cell: str
    why: str
    pk: int | None


@dataclass(frozen=True)
class DatasetDone:
    """One dataset in a run. `waited_ms` is what calls of its endpoint waited for the quota while the
    run lasted; another run may have made some of them."""

    dataset: str
    title: str
    closed: int
    good: int
    open: int
    rows: int
    calls: int
    waited_ms: int | None
    notes: tuple[str, ...]
    cells: tuple[OpenCell, ...]


def done(execution: ExecutionLog) -> list[DatasetDone]:
    """What the result says of each dataset, by two queries."""
    result = execution.result if isinstance(execution.result, dict) else {}
    told = {name: of for name, of in result.items() if name in DATASETS and isinstance(of, dict)}
    keys, waits = _ledger_keys(told), _waits(execution, told)
    return [_done(name, of, keys, waits.get(name)) for name, of in told.items()]


def _done(
    name: str, of: Mapping[str, Any], keys: Mapping[tuple[str, str], int], waited: int | None
) -> DatasetDone:
    notes = (of.get("left"), of.get("stopped"), of.get("denied"))
    return DatasetDone(
        dataset=name,
        title=str(DATASETS[name].title),
        closed=of.get("cells_closed", 0),
        good=of.get("cells_good", 0),
        open=of.get("cells_open", 0),
        rows=of.get("rows", 0),
        calls=of.get("calls", 0),
        waited_ms=waited,
        notes=tuple(str(note) for note in notes if note),
        cells=tuple(
            OpenCell(cell, str(why), keys.get((name, cell)))
            for cell, why in {**of.get("open", {}), **of.get("awaited", {})}.items()
        ),
    )


def _ledger_keys(told: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    wanted = Q()
    for name, of in told.items():
        if cells := [*of.get("open", {}), *of.get("awaited", {})]:
            wanted |= Q(dataset=name, cell__in=cells)
    if not wanted:
        return {}
    return {
        (dataset, cell): pk
        for dataset, cell, pk in SyncLedger.objects.filter(wanted).values_list(
            "dataset", "cell", "pk"
        )
    }


def _waits(execution: ExecutionLog, told: Mapping[str, object]) -> dict[str, int]:
    if not told or execution.started_at is None or execution.finished_at is None:
        return {}
    calls = TushareCall.objects.filter(
        api_name__in=list(told), at__gte=execution.started_at, at__lte=execution.finished_at
    )
    # Its own order would go into the GROUP BY.
    summed = calls.order_by().values_list("api_name").annotate(Sum("waited_ms"))
    return dict(summed)


def facts(request: HttpRequest, execution: ExecutionLog) -> dict[str, object] | None:
    datasets = done(execution)
    may_see = request.user.has_perm("datasync_app.view_syncledger")
    return {"datasets": datasets, "may_see": may_see} if datasets else None
