"""Codes that one dataset of a date holds and its sister lacks: named on the cell, which stays as it is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable

from django.db import connection

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset
from datasync_app.engine.checks import find_disputes
from datasync_app.engine.guard import Fence
from datasync_app.engine.judge import Judge
from datasync_app.engine.suspensions import suspended_on
from datasync_app.models import SyncLedger

BATCH = 20

Disputes = dict[str, list[str]]
Families = dict[dt.date, dict[str, Disputes]]


def settle(dates: Collection[dt.date], judge: Judge, *, fence: Fence) -> int:
    """Note the disputes of these dates on every cell concerned; the number of cells that changed.

    What is compared are the rows that are held, so it is done when all datasets of a run are in.
    """
    ordered = sorted(dates)
    batches = (ordered[at : at + BATCH] for at in range(0, len(ordered), BATCH))
    return sum(_settle_batch(batch, judge, fence=fence) for batch in batches)


def _settle_batch(dates: list[dt.date], judge: Judge, *, fence: Fence) -> int:
    families = _held_datasets(dates)
    held = _codes_not_held_by_all(families)
    changed = 0
    with fence():
        for date, noted in families.items():
            for name, known in noted.items():
                disputes = _disputes_of(DATASETS[name], date, noted, held[date], judge)
                if disputes != known:
                    cells = SyncLedger.objects.filter(dataset=name, cell_date=date)
                    changed += cells.update(disputes=disputes)
    return changed


def _held_datasets(dates: Iterable[dt.date]) -> Families:
    """The datasets with sisters of which rows are held, and the disputes noted so far, by date."""
    names = [name for name, dataset in DATASETS.items() if dataset.sisters]
    entries = SyncLedger.objects.filter(
        dataset__in=names, cell_date__in=list(dates), received_rows__gt=0
    )
    families: Families = defaultdict(dict)
    for name, date, disputes in entries.values_list("dataset", "cell_date", "disputes"):
        if date is not None:
            families[date][name] = disputes
    return families


def _codes_not_held_by_all(
    families: Families,
) -> dict[dt.date, dict[str, set[str]]]:
    """By date, each code that some of the datasets hold and others do not, to those that do."""
    found: dict[dt.date, dict[str, set[str]]] = {date: {} for date in families}
    by_names: dict[tuple[str, ...], list[dt.date]] = defaultdict(list)
    for date, names in families.items():
        if len(names) > 1:
            by_names[tuple(sorted(names))].append(date)
    for family, dates in by_names.items():
        tables = [DATASETS[name].model._meta.db_table for name in family]
        each = " UNION ALL ".join(
            f"SELECT trade_date, ts_code, '{table}' AS held_by FROM {connection.ops.quote_name(table)}"  # noqa: S608 (our own tables)
            " WHERE trade_date = ANY(%s)"
            for table in tables
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT trade_date, ts_code, array_agg(held_by) FROM ({each}) AS held"  # noqa: S608
                " GROUP BY trade_date, ts_code HAVING count(*) < %s",
                [*[dates] * len(tables), len(tables)],
            )
            for date, code, held_by in cursor.fetchall():
                found[date][code] = set(held_by)
    return found


def _disputes_of(
    dataset: Dataset,
    date: dt.date,
    names: Collection[str],
    held: dict[str, set[str]],
    judge: Judge,
) -> dict[str, list[str]]:
    sisters = {
        sister: frozenset(code for code, holders in held.items() if sister in holders)
        for sister in dataset.sisters
        if sister in names
    }
    if not any(sisters.values()):
        return {}
    suspended = frozenset() if dataset.expects_suspended else suspended_on(date)
    return find_disputes(
        frozenset(code for code, holders in held.items() if dataset.name in holders),
        sisters,
        excused=suspended | _under_another_number(dataset, date, held, judge),
    )


def _under_another_number(
    dataset: Dataset, date: dt.date, codes: Iterable[str], judge: Judge
) -> frozenset[str]:
    """Those of the codes whose other number the dataset holds on that date."""
    others = {judge.renumbering.others.get(code): code for code in codes}
    others.pop(None, None)
    if not others:
        return frozenset()
    rows = dataset.model._default_manager.filter(trade_date=date, ts_code__in=list(others))
    return frozenset(others[number] for number in rows.values_list("ts_code", flat=True))
