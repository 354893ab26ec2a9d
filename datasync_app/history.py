"""A history in shards, worked through by the run that laid them out and by whoever helps it.

The run is the coordinator: it plans, lays out, works like everybody else, moves the horizons, and sums
up what became of all shards. Where there are no workers it is alone, and does the same.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from datasync_app.datasets import DATASETS, get_dataset
from datasync_app.datasets.base import Cell
from datasync_app.datasets.cuts import ByTradeDate
from datasync_app.engine import horizon, ledger, shards, tasks
from datasync_app.engine.guard import Guard
from datasync_app.engine.identity import refuse_foreign
from datasync_app.engine.plan import Plan, plan_range
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import Engine
from datasync_app.engine.shards import ShardGuard
from datasync_app.errors import ShardLost, TaskLost, TaskStopped
from datasync_app.models import (
    GOOD_STATES,
    CellState,
    ShardState,
    SyncShard,
    SyncTask,
    TaskStatus,
)
from datasync_app.session import Session
from datasync_app.tushare.from_settings import client_from_settings
from scheduler_app import helpers
from scheduler_app.errors import RunCancelled
from scheduler_app.frozen import FrozenSessions
from scheduler_app.run import STOPPED

if TYPE_CHECKING:
    from datasync_app.tushare.client import TushareClient

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5


class Hand:
    """One engine at work on the shards of a task.

    `stopped` datasets, by their quota, a refusal or an outage, are not asked for again by this engine.
    A shard of those alone it leaves to others, with what came of it so far in `left`.
    """

    def __init__(
        self,
        client: TushareClient,
        task: SyncTask,
        guard: Guard,
        now: Callable[[], dt.datetime],
        on_cell: Callable[[DatasetReport, Cell], None] = lambda report, cell: None,
    ) -> None:
        self.owner = uuid4()
        self.stopped: set[str] = set()
        self.left: list[DatasetReport] = []
        self._client = client
        self.task = task
        self._guard = guard
        self._now = now
        self._on_cell = on_cell
        self._frozen = FrozenSessions()

    def work_on_one(self) -> bool:
        """Claim a shard and do it; False if there is none, or nothing that this engine can do.

        Raises:
            Whatever ends the run or the task; the shard is then left to others.
        """
        shard = shards.claim(self.task, self.owner, without=self.stopped)
        if shard is None:
            return False
        try:
            self._work_on(shard)
        except ShardLost as lost:
            logger.warning("action=shard_lost %s", lost)
            tasks.check(self.task)
        except DatabaseError as error:
            # The server ends the transaction of an engine that was frozen inside; others go on.
            connection.close_if_unusable_or_obsolete()
            if shards.is_held(shard):
                shards.release(shard)
                raise
            logger.warning("action=shard_lost shard=%s: %s", shard, error)
            tasks.check(self.task)
        except BaseException:
            shards.release(shard)
            raise
        return True

    def wait(self) -> None:
        """A moment, for shards that others have; one that is frozen must not keep its shard locked."""
        self._frozen.look()
        threading.Event().wait(LOOK_SECONDS)

    def _work_on(self, shard: SyncShard) -> None:
        logger.info("action=shard task=%s shard=%s fence=%s", shard.task_id, shard, shard.fence)
        wanted = [get_dataset(name) for name in shard.datasets if name not in self.stopped]
        plans = [plan_range(each, shard.first, shard.last, now=self._now()) for each in wanted]
        beaten = dt.datetime.min.replace(tzinfo=dt.UTC)

        def beat() -> None:
            nonlocal beaten
            if timezone.now() - beaten >= shards.BEAT:
                beaten = timezone.now()
                shards.advance(shard)

        def note(report: DatasetReport, cell: Cell) -> None:
            shards.advance(shard, cells=1, rows=report.rows_of_last_cell)
            self._on_cell(report, cell)

        guard = ShardGuard(self._guard, shard)
        engine = Engine(self._client, guard=guard, now=self._now, on_cell=note, on_wait=beat)
        reports = engine.run_side_by_side(plans)
        self.stopped |= {report.dataset for report in reports if report.stopped}
        if self.stopped.issuperset(shard.datasets):
            # Another may fare better, or a later run.
            self.left += reports
            shards.release(shard)
        else:
            shards.finish(shard, reports)


class Coordinator:
    """The run of the history itself."""

    def __init__(self, session: Session, plans: Sequence[Plan]) -> None:
        self._session = session
        self._plans = plans
        self._task = session.task
        self._offset = session.task.current_offset
        self._rows = session.task.total_processed
        self._reached = 0
        # Datasets with dates that were not asked for: their horizons stay above those.
        self._held: set[str] = set()

    def work(self) -> Hand:
        """Until no shard is left, here or elsewhere, that anybody can do."""
        hand = Hand(
            self._session.client, self._task, self._session.guard, self._session.now, self._note
        )
        while True:
            if hand.work_on_one():
                self._look()
                continue
            if not shards.unfinished(self._task, without=hand.stopped) and not shards.at_work(
                self._task
            ):
                self._look()
                return hand
            self._session.guard.checkpoint()
            self._look()
            hand.wait()

    def _note(self, report: DatasetReport, cell: Cell) -> None:
        self._sum_up()
        if self._session.watch is not None:
            self._session.watch(report, cell, self._task)

    def _look(self) -> None:
        self._sum_up()
        self._move_horizons()

    def _sum_up(self) -> None:
        now = self._session.now()
        shards.sum_up(self._task, offset=self._offset, rows=self._rows, now=now)

    def _move_horizons(self) -> None:
        """As far as every newer date was asked for, so that a hole below is found every day."""
        later = SyncShard.objects.filter(task=self._task, number__gte=self._reached)
        for shard in later.order_by("number"):
            if shard.state != ShardState.DONE:
                return
            self._reached = shard.number + 1
            asked = {each.dataset for each in shards.reports_of(shard) if not each.stopped}
            self._held |= set(shard.datasets) - asked
            for name in asked - self._held:
                if isinstance(DATASETS[name].cut, ByTradeDate):
                    horizon.move_earlier(DATASETS[name], shard.first)

    def reports(self, hand: Hand) -> list[DatasetReport]:
        """What became of the plans, by whoever worked on them."""
        reports = {plan.dataset.name: DatasetReport.of(plan) for plan in self._plans}
        done = SyncShard.objects.filter(task=self._task, state=ShardState.DONE).order_by("number")
        parts = [part for shard in done for part in shards.reports_of(shard)]
        for part in [*parts, *hand.left]:
            _add(reports[part.dataset], part)
        self._session.engine.judge_again(self._plans, list(reports.values()))
        for plan in self._plans:
            report = reports[plan.dataset.name]
            _take_from_ledger(plan, report)
            report.close()
        return list(reports.values())


def fetch(
    session: Session, plans: Sequence[Plan], start: dt.date, end: dt.date, *, size: int
) -> list[DatasetReport]:
    """Fetch the plans of a range, in shards of `size` dates; a report for each plan."""
    session.expect(sum(len(plan.calls) for plan in plans))
    count = shards.lay_out(session.task, plans, start, end, size=size)
    asked = helpers.ask(
        tasks.HISTORY_HELP, min(count, settings.SYNC_HISTORY_WORKERS) - 1, task_id=session.task.pk
    )
    logger.info("action=shards task=%s shards=%s helpers=%s", session.task.pk, count, asked)
    coordinator = Coordinator(session, plans)
    return coordinator.reports(coordinator.work())


def _add(report: DatasetReport, part: DatasetReport) -> None:
    """Take over a part; what stopped one engine on the way is said of the whole."""
    before = (report.stopped, report.denied, report.token_refused, report.parked_until)
    report.add(part)
    report.stopped = report.stopped or before[0]
    report.denied = report.denied or before[1]
    report.token_refused = report.token_refused or before[2]
    report.parked_until = max(
        (at for at in (report.parked_until, before[3]) if at is not None), default=None
    )


def _take_from_ledger(plan: Plan, report: DatasetReport) -> None:
    """Cells that are good by now, whoever closed them: the ledger knows best."""
    cells = [cell for cell in plan.todo if cell.key in report.open_cells]
    for key, entry in ledger.entries(plan.dataset, cells).items():
        if entry.state in GOOD_STATES:
            rows = report.rows_of_last_cell
            report.note(key, CellState(entry.state))
            report.rows_of_last_cell = rows


class _HelperGuard:
    """A helper goes on while its process and the task do; what it commits, its shard's fence says."""

    def __init__(self, stop: threading.Event, task: SyncTask) -> None:
        self._stop = stop
        self._task = task

    def checkpoint(self) -> None:
        if self._stop.is_set():
            raise RunCancelled(STOPPED)
        tasks.check(self._task)

    def fenced(self) -> AbstractContextManager[None]:
        return transaction.atomic()


_helping = threading.Lock()


def help_with_history(stop: threading.Event, *, task_id: int) -> bool:
    """Work on the shards of a task; whether some are left that may become free.

    One engine of a process is enough: a second one would only share its time.
    """
    task = SyncTask.objects.filter(pk=task_id, status=TaskStatus.RUNNING).first()
    if task is None:
        return False
    if not _helping.acquire(blocking=False):
        return True
    client = client_from_settings()
    try:
        refuse_foreign(client.base_url, has_token=bool(settings.TUSHARE_TOKEN))
        hand = Hand(client, task, _HelperGuard(stop, task), timezone.now)
        while hand.work_on_one():
            pass
        return shards.unfinished(task, without=hand.stopped) > 0
    except RunCancelled:
        return True
    except (TaskLost, TaskStopped) as over:
        logger.info("action=help task=%s: %s", task_id, over)
        return False
    finally:
        client.close()
        _helping.release()
