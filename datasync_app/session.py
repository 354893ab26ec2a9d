"""A run of the engine with its SyncTask: opened, kept alive cell by cell, and closed whatever happens."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone, translation

from datasync_app.datasets.base import Cell
from datasync_app.engine import tasks
from datasync_app.engine.guard import Guard
from datasync_app.engine.identity import refuse_foreign
from datasync_app.engine.report import DatasetReport
from datasync_app.errors import Parked, TaskStopped
from datasync_app.models import SyncTask, TaskStatus
from scheduler_app.models import OPEN_STATUSES, ExecutionLog

if TYPE_CHECKING:
    from datasync_app.engine.run import Engine
    from datasync_app.tushare.client import TushareClient

# While a run waits for quota, its task shows a sign of life this often.
HEARTBEAT = dt.timedelta(seconds=60)

# Called after each cell, with the task as it stands then.
Watcher = Callable[[DatasetReport, Cell, SyncTask], None]
# Who watches the sessions that are opened below: a command that shows the progress of a job.
watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@dataclass(frozen=True)
class Session:
    engine: Engine
    task: SyncTask
    guard: Guard
    now: Callable[[], dt.datetime]
    client: TushareClient
    watch: Watcher | None = None

    def expect(self, cells: int) -> None:
        """Say that so many more cells are planned, for progress and the time it takes."""
        tasks.expect(self.task, cells, now=self.now())


@dataclass(frozen=True)
class TaskGuard:
    """The guard of whoever runs it, and of the task: a run commits only while both are its own."""

    guard: Guard
    task: SyncTask

    def checkpoint(self) -> None:
        self.guard.checkpoint()
        tasks.check(self.task)

    def fenced(self) -> AbstractContextManager[None]:
        return tasks.fenced_by(self.task, self.guard.fenced)


@contextmanager
def open_session(
    job_type: str,
    guard: Guard,
    *,
    execution_id: int | None = None,
    batch_size: int = 50,
    config: dict[str, object] | None = None,
    client: TushareClient | None = None,
    now: Callable[[], dt.datetime] = timezone.now,
    on_cell: Watcher | None = None,
) -> Iterator[Session]:
    """Start the task of a run and close it with the run's own fate.

    Raises:
        TaskAlreadyRunning: a live task of this job type exists.
        SourceMismatch: the database belongs to another source than the one that would be asked.
        NoSource: there is neither a token nor a running sandbox.
    """
    # What fetches and stores is loaded by who does: no scheduler's start waits for it.
    from datasync_app.engine.run import Engine
    from datasync_app.tushare.from_settings import client_from_settings

    is_own = client is None
    client = client or client_from_settings()
    refuse_foreign(client.base_url, has_token=bool(settings.TUSHARE_TOKEN))
    task = tasks.start_task(
        job_type,
        now=now(),
        batch_size=batch_size,
        config=config,
        execution_id=execution_id,
        execution_is_closed=execution_is_closed,
    )

    watch = on_cell or watcher.get()

    def plan(cells: int) -> None:
        tasks.expect(task, cells, now=now())

    def account(report: DatasetReport, cell: Cell) -> None:
        tasks.advance(task, cells=1, rows=report.rows_of_last_cell, now=now())
        if watch is not None:
            watch(report, cell, task)

    def keep_alive() -> None:
        if now() - task.updated_at >= HEARTBEAT:
            tasks.advance(task, cells=0, rows=0, now=now())

    task_guard = TaskGuard(guard, task)
    engine = Engine(
        client,
        guard=task_guard,
        now=now,
        on_plan=plan,
        on_cell=account,
        on_wait=keep_alive,
    )
    try:
        # What is stored of the run is English, whoever started it.
        with translation.override("en"):
            yield Session(engine, task, task_guard, now, client, watch)
    except Parked as parked:
        tasks.finish(task, TaskStatus.PAUSED, now=now(), reason=str(parked), resume_at=parked.until)
        raise
    except TaskStopped as stopped:
        status = TaskStatus.PAUSED if stopped.paused else TaskStatus.FAILED
        tasks.finish(task, status, now=now(), reason=str(stopped))
        raise
    except BaseException as error:
        tasks.finish(task, TaskStatus.FAILED, now=now(), reason=str(error) or type(error).__name__)
        raise
    else:
        tasks.finish(task, TaskStatus.COMPLETED, now=now())
    finally:
        if is_own:
            client.close()


def close_with_execution(*, execution_id: int, reason: str, **_others: object) -> None:
    """The task of a run that was cut off ends with its execution, for the same reason."""
    tasks.fail_task_of(execution_id, reason, now=timezone.now())


def execution_is_closed(execution_id: int) -> bool:
    status = ExecutionLog.objects.filter(pk=execution_id).values_list("status", flat=True).first()
    return status not in OPEN_STATUSES
