"""The accounts of finance calls: one answer, with every cell it fills, in one transaction."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import cast

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.finance import BY_COMPANY_PERIOD, FINA_BY_PERIOD, FINA_INDICATOR
from datasync_app.engine import ledger, quarantine
from datasync_app.engine.finance.apart import keep_apart
from datasync_app.engine.finance.calls import Calls
from datasync_app.engine.finance.failures import note_failure, resolve
from datasync_app.engine.finance.judge import Received, settle
from datasync_app.engine.finance.restated import record_restated
from datasync_app.engine.guard import Fence
from datasync_app.engine.identity import claim_identity
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.rows import BadRows, TypedRows, typed_rows
from datasync_app.engine.versions import contents_of, lock_versions, merge_versions
from datasync_app.models import GOOD_STATES, CellState, CodeChange, SyncLedger
from datasync_app.tushare.outcomes import Answer

logger = logging.getLogger(__name__)

_LEDGER_BATCH = 2000
_WRITTEN = [
    "state", "expected_rows", "received_rows", "missing", "missing_since", "disputes", "fingerprint",
    "fetched_at", "next_attempt_at", "attempts", "last_error", "updated_at",
]  # fmt: skip


class FinanceBooks:
    """For the calls of one plan, all to one endpoint. `cut` are calls that came back cut."""

    def __init__(
        self, dataset: Dataset, calls: Calls, *, fence: Fence, now: Callable[[], dt.datetime]
    ) -> None:
        self._dataset = dataset
        self._calls = calls
        self._fence = fence
        self._now = now
        self._renumbered = dict(CodeChange.objects.values_list("old_code", "new_code"))
        self.cut: list[Cell] = []

    def store(self, call: Cell, answer: Answer, report: DatasetReport) -> None:
        """Keep the versions, settle every report that was planned for or came, and its failures.

        A company whose rows cannot be is on record alone; those beside it are stored.
        """
        rows, bad = _by_company(answer)
        now = self._now()
        planned = {wanted.key: wanted for wanted in self._calls.covers[call.key]}
        good, broken = quarantine.set_apart(FINA_INDICATOR, call, rows)
        contents = contents_of(good)
        with self._fence():
            claim_identity(answer.source)
            lock_versions(FINA_INDICATOR)
            merge_versions(FINA_INDICATOR, good, contents, now=now)
            record_restated(good, contents, now=now)
            received = self._received(good, contents)
            entries = _entries(planned.keys() | received.keys())
            set_apart = keep_apart(broken, entries.keys(), now=now)
            touched = []
            for key, entry in entries.items():
                code = key.partition(":")[0]
                if code not in bad:
                    came = received.get(key, Received(quarantined=key in set_apart))
                    settle(entry, came, planned.get(key), now=now)
                    touched.append(code)
            for code, problem in bad.items():
                of_it = [entry for key, entry in entries.items() if key.startswith(f"{code}:")]
                self._fail(code, of_it, CellState.FAILED, problem)
            _save(entries.values())
            resolve({*touched, call.key} - bad.keys(), now=now)
        report.note(call.key, CellState.COMPLETE, rows=len(rows))
        for code, problem in bad.items():
            report.note(f"{call.key} {code}", CellState.FAILED, problem=problem)
        logger.info(
            "action=call api_name=%s call=%s rows=%d cells=%d bad_companies=%d",
            self._dataset.name, call.key, len(rows), len(entries), len(bad),
        )  # fmt: skip

    def record(
        self,
        call: Cell,
        state: CellState,
        problem: str,
        report: DatasetReport,
        *,
        retry_at: dt.datetime | None = None,
    ) -> None:
        """A failed call fails its reports. One that was never let through leaves them due."""
        report.note(call.key, state, problem=problem)
        logger.warning(
            "action=call api_name=%s call=%s state=%s problem=%s",
            self._dataset.name, call.key, state, problem,
        )  # fmt: skip
        whole_period = self._dataset is FINA_BY_PERIOD
        if whole_period and state is CellState.TRUNCATED:
            self.cut.append(call)
        if whole_period and state in {CellState.TRUNCATED, CellState.DUE}:
            return  # they can be had by company
        planned = {wanted.key for wanted in self._calls.covers[call.key]}
        with self._fence():
            lock_versions(FINA_INDICATOR)
            entries = _entries(planned).values()
            if state is CellState.DUE:
                for entry in entries:
                    ledger.postpone(entry, problem, now=self._now(), retry_at=retry_at)
            else:
                self._fail(call.key.partition(":")[0], entries, state, problem)
            _save(entries)

    def _fail(
        self, code: str, entries: Collection[SyncLedger], state: CellState, problem: str
    ) -> None:
        """Reports that are held stay good; the others fail, with their company on record."""
        now = self._now()
        lacking = [entry for entry in entries if entry.state not in GOOD_STATES]
        for entry in entries:
            entry.last_error = problem
        if not lacking:
            return
        on_record = note_failure(code, problem, now=now)
        for entry in lacking:
            entry.state = state if not entry.received_rows else CellState.PARTIAL
            entry.attempts += 1
            tries_left = on_record.retry_count < on_record.max_retries
            entry.next_attempt_at = now + ledger.wait(entry, now) if tries_left else None

    def _received(self, rows: TypedRows, contents: list[str]) -> Mapping[str, Received]:
        """What came, by cell. A company that was renumbered has its old rows under its new code."""
        codes = cast("list[str]", rows.column("ts_code"))
        periods = cast("list[dt.date]", rows.column("end_date"))
        has_dates = any(field.name == "ann_date" for field in rows.columns)
        announced = cast(
            "list[dt.date | None]", rows.column("ann_date") if has_dates else [None] * len(codes)
        )
        found: dict[str, list[tuple[str, dt.date | None]]] = defaultdict(list)
        for code, period, date, content in zip(codes, periods, announced, contents, strict=True):
            cell = BY_COMPANY_PERIOD.of(self._renumbered.get(code, code), period)
            found[cell.key].append((content, date))
        return {key: _summed_up(versions) for key, versions in found.items()}


def _summed_up(versions: list[tuple[str, dt.date | None]]) -> Received:
    contents = sorted(content for content, _ in versions)
    dates = [date for _, date in versions if date is not None]
    return Received(
        rows=len(versions),
        announced=max(dates, default=None),
        fingerprint=hashlib.sha256("\n".join(contents).encode()).hexdigest(),
    )


def _by_company(answer: Answer) -> tuple[TypedRows, dict[str, str]]:
    """The typed rows of an answer, and the companies whose rows cannot be, with the reason."""
    try:
        return typed_rows(FINA_INDICATOR, answer.fields, answer.items), {}
    except BadRows:
        at = answer.fields.index("ts_code")
    by_code = defaultdict(list)
    for item in answer.items:
        by_code[str(item[at])].append(item)
    bad = {}
    sound: list[list[object]] = []
    for code, items in by_code.items():
        try:
            typed_rows(FINA_INDICATOR, answer.fields, items)
        except BadRows as problem:
            bad[code] = str(problem)
        else:
            sound += items
    return typed_rows(FINA_INDICATOR, answer.fields, sound), bad


def _entries(keys: Iterable[str]) -> dict[str, SyncLedger]:
    """The ledger rows of those cells, the new ones not saved yet."""
    wanted = [_cell(key) for key in keys]
    held = ledger.entries(FINA_INDICATOR, wanted)
    return {
        cell.key: held.get(cell.key)
        or SyncLedger(
            dataset=FINA_INDICATOR.name, cell=cell.key, cell_date=cell.date, state=CellState.DUE
        )
        for cell in wanted
    }


def _save(entries: Iterable[SyncLedger]) -> None:
    SyncLedger.objects.bulk_create(
        entries,
        batch_size=_LEDGER_BATCH,
        update_conflicts=True,
        update_fields=_WRITTEN,
        unique_fields=["dataset", "cell"],
    )


def _cell(key: str) -> Cell:
    code, _, period = key.partition(":")
    return BY_COMPANY_PERIOD.of(code, dt.datetime.strptime(period, "%Y%m%d").date())
