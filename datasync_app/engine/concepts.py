"""Concepts: which source is taken, its list, and the constituents of each concept on it.

One concept failing does not stop the rest: each is a cell of its own, replaced in one transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db.models import Min, Q, QuerySet

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.concept import CONCEPT_SOURCES, ByConcept, ConceptList, ConceptSource
from datasync_app.dates import SHANGHAI, market_day
from datasync_app.engine import ledger
from datasync_app.engine.calendar import open_days
from datasync_app.engine.guard import Fence
from datasync_app.engine.identity import claim_identity
from datasync_app.engine.intervals import EMPTY, merge_intervals
from datasync_app.engine.plan import Plan
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.rows import BadRows, typed_rows
from datasync_app.engine.run import Engine
from datasync_app.models import GOOD_STATES, CellState, SyncLedger
from datasync_app.tushare.outcomes import Answer

AUTO = "auto"
# From this Shanghai time on, a source by trade date is expected to have the day.
DUE = dt.time(18, 0)
# The longest run of closed days on record has ten.
NEAR = dt.timedelta(days=15)
NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


class ConceptBooks:
    """Keeps the accounts of a concept dataset: intervals instead of rows that are replaced."""

    def __init__(
        self, dataset: Dataset, *, on: dt.date, fence: Fence, now: Callable[[], dt.datetime]
    ) -> None:
        self._dataset = dataset
        self._on = on
        self._fence = fence
        self._now = now

    def store(self, call: Cell, answer: Answer, report: DatasetReport) -> None:
        try:
            rows = typed_rows(self._dataset, answer.fields, answer.items)
        except BadRows as bad:
            self.record(call, CellState.FAILED, str(bad), report)
            return
        with self._fence():
            claim_identity(answer.source)
            entry = ledger.locked_entry(self._dataset, call)
            state = merge_intervals(self._dataset, call, entry, rows, on=self._on, now=self._now())
        report.note(call.key, state, rows=len(answer.items), problem=entry.last_error)

    def record(
        self,
        call: Cell,
        state: CellState,
        problem: str,
        report: DatasetReport,
        *,
        retry_at: dt.datetime | None = None,
    ) -> None:
        with self._fence():
            entry = ledger.locked_entry(self._dataset, call)
            ledger.write_problem(entry, state, problem, now=self._now(), retry_at=retry_at)
        report.note(call.key, CellState(entry.state), problem=problem)


@dataclass(frozen=True)
class ConceptSync:
    """One run over one source. `day` is the trade date that is asked for, where one is."""

    engine: Engine
    source: ConceptSource
    day: dt.date | None
    fence: Fence
    now: Callable[[], dt.datetime]

    def listed(self) -> DatasetReport:
        """The list of concepts; the constituents of one that is no longer on it go with it."""
        dataset = self.source.listed
        assert isinstance(dataset.cut, ConceptList)  # noqa: S101 (so it is declared)
        report = self._run(dataset, [dataset.cut.of(self.day)])
        self._close_members_of_closed()
        return report

    def members(self, only: Collection[str] | None = None) -> DatasetReport:
        """The constituents of every concept on the list, or `only` of some of them.

        One that has none yet is no failure.
        """
        dataset = self.source.members
        assert isinstance(dataset.cut, ByConcept)  # noqa: S101
        chosen = [each for each in listed_ids(self.source) if only is None or each in only]
        report = self._run(dataset, [dataset.cut.of(each, self.day) for each in chosen])
        empty = _in_question(self.source).filter(dataset=dataset.name, doubt__isnull=True)
        report.wait_for(set(empty.values_list("cell", flat=True)))
        return report

    def _run(self, dataset: Dataset, cells: list[Cell]) -> DatasetReport:
        books = ConceptBooks(dataset, on=self._on(), fence=self.fence, now=self.now)
        return self.engine.run(plan_concepts(dataset, cells, now=self.now()), books=books)

    def _close_members_of_closed(self) -> None:
        dataset = self.source.members
        with self.fence():
            held = dataset.model._default_manager.filter(valid_to=None)
            orphans = held.exclude(**{f"{dataset.key[0]}__in": listed_ids(self.source)})
            orphans.update(valid_to=self._on())

    def _on(self) -> dt.date:
        return self.day or market_day(self.now())


def plan_concepts(dataset: Dataset, cells: list[Cell], *, now: dt.datetime) -> Plan:
    """Cells that are not good, no longer fresh, or wait for a second answer to agree.

    What was never had comes first. A good cell of an earlier trade date is not fresh.
    """
    entries = ledger.entries(dataset, cells)
    assert dataset.fresh_for is not None  # noqa: S101
    todo: list[tuple[dt.datetime, Cell]] = []
    good: list[Cell] = []
    waiting: list[Cell] = []
    for cell in cells:
        entry = entries.get(cell.key)
        fetched = entry.fetched_at if entry and entry.state in GOOD_STATES else None
        again = entry.next_attempt_at if entry else None
        if ledger.waits(entry, now):
            (good if fetched else waiting).append(cell)
        elif (
            fetched is None
            or again is not None
            or now - fetched >= dataset.fresh_for
            or (entry and entry.cell_date != cell.date)
        ):
            todo.append((fetched or NEVER, cell))
        else:
            good.append(cell)
    todo.sort(key=lambda each: each[0])
    return Plan(dataset, tuple(cell for _, cell in todo), tuple(good), tuple(waiting))


def cells_of(dataset: Dataset) -> list[Cell]:
    """The cells that should be good: the list, or every concept that is on it; none of a source
    that was never asked."""
    source = source_of(dataset)
    if not SyncLedger.objects.filter(dataset=source.listed.name).exists():
        return []
    if isinstance(dataset.cut, ByConcept):
        return [dataset.cut.of(each, None) for each in listed_ids(source)]
    return [Cell("all")]


def source_of(dataset: Dataset) -> ConceptSource:
    (source,) = (
        each for each in CONCEPT_SOURCES.values() if dataset in (each.listed, each.members)
    )
    return source


def listed_ids(source: ConceptSource) -> list[str]:
    """The ids on the list, as it is held."""
    listed = source.listed.model._default_manager.filter(valid_to=None)
    return sorted(set(listed.values_list(source.id_field, flat=True)))


def second_look(source: ConceptSource) -> dt.datetime | None:
    """When an answer that a second one must confirm is to be asked for again."""
    earliest: dt.datetime | None = _in_question(source).aggregate(at=Min("next_attempt_at"))["at"]
    return earliest


def _in_question(source: ConceptSource) -> QuerySet[SyncLedger]:
    """Cells that lost rows, or came without any where there may be none."""
    of_source = SyncLedger.objects.filter(dataset__in=[source.listed.name, source.members.name])
    came_empty = Q(dataset=source.members.name, state=CellState.DUE, last_error=EMPTY)
    return of_source.filter(Q(doubt__isnull=False) | came_empty)


def candidates(wanted: str) -> list[ConceptSource]:
    return list(CONCEPT_SOURCES.values()) if wanted == AUTO else [CONCEPT_SOURCES[wanted]]


def latest_day(now: dt.datetime) -> dt.date:
    """The last open day that a source by trade date should have by now."""
    today = market_day(now)
    days = open_days(today - NEAR, today)
    due = [day for day in days if now >= dt.datetime.combine(day, DUE, SHANGHAI)]
    return due[-1]
