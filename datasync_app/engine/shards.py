"""The shards of a task: laid out once, claimed by whoever is free, committed by whoever holds them.

A claim is a row taken with SKIP LOCKED, so that nobody waits for anybody. One whose owner has not
beaten for `DEAD_AFTER` is claimed again, under the next fence; ages are by the database's clock.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from pydantic import TypeAdapter

from datasync_app.engine.guard import Guard
from datasync_app.engine.plan import Plan
from datasync_app.engine.report import DatasetReport
from datasync_app.errors import ShardLost
from datasync_app.models import ShardState, SyncShard, SyncTask, TaskStatus

DEAD_AFTER = dt.timedelta(seconds=20)
BEAT = dt.timedelta(seconds=3)
# The server ends the transaction of an engine that freezes inside, before its shard is taken up.
FROZEN_AFTER = "8s"

_CLAIM = """
    UPDATE sync_shard SET state = 'running', owner = %(owner)s, fence = fence + 1,
        heartbeat_at = statement_timestamp()
    WHERE id = (
        SELECT shard.id FROM sync_shard AS shard
        JOIN sync_task AS task ON task.id = shard.task_id AND task.status = 'RUNNING'
        WHERE shard.task_id = %(task)s AND (shard.state = 'waiting' OR (shard.state = 'running'
            AND shard.heartbeat_at < statement_timestamp() - %(dead_after)s::interval))
            AND NOT shard.datasets <@ %(without)s::jsonb
        ORDER BY shard.number LIMIT 1 FOR UPDATE OF shard SKIP LOCKED
    )
    RETURNING *
"""
_HELD = """
    SELECT shard.state, shard.owner, shard.fence, task.status,
        set_config('idle_in_transaction_session_timeout', %s, true)
    FROM sync_shard AS shard JOIN sync_task AS task ON task.id = shard.task_id
    WHERE shard.id = %s FOR SHARE OF shard
"""
# What is done twice, because its first owner died with it, is counted once.
_SUM = """
    UPDATE sync_task SET current_offset = %(offset)s + summed.cells,
        total_processed = %(rows)s + summed.rows, updated_at = %(now)s
    FROM (
        SELECT coalesce(sum(least(done_cells, cells)), 0) AS cells, coalesce(sum(rows), 0) AS rows
        FROM sync_shard WHERE task_id = %(task)s
    ) AS summed
    WHERE id = %(task)s AND status = 'RUNNING'
    RETURNING current_offset, total_processed
"""
_reports: TypeAdapter[list[DatasetReport]] = TypeAdapter(list[DatasetReport])


def lay_out(
    task: SyncTask, plans: Sequence[Plan], start: dt.date, end: dt.date, *, size: int
) -> int:
    """Cut the calls of plans of a range into shards of `size` dates, the newest first; how many.

    What is not cut by date is a shard of its own, after them. Shards of an earlier start go.
    """
    dated = [plan for plan in plans if all(cell.date for cell in plan.calls)]
    dates = sorted({cell.date for plan in dated for cell in plan.calls if cell.date}, reverse=True)
    shards: list[SyncShard] = []
    for at in range(0, len(dates), size):
        last, first = dates[at], dates[at : at + size][-1]
        asked = {
            plan.dataset.name: sum(first <= cell.date <= last for cell in plan.calls if cell.date)
            for plan in dated
        }
        shards.append(_shard(task, len(shards), asked, first, last))
    for plan in plans:
        if plan not in dated:
            asked = {plan.dataset.name: len(plan.calls)}
            shards.append(_shard(task, len(shards), asked, start, end))
    with transaction.atomic():
        SyncShard.objects.filter(task=task).delete()
        SyncShard.objects.bulk_create(shards)
    return len(shards)


def _shard(
    task: SyncTask, number: int, asked: Mapping[str, int], first: dt.date, last: dt.date
) -> SyncShard:
    names = [name for name, cells in asked.items() if cells]
    return SyncShard(
        task=task, number=number, datasets=names, first=first, last=last, cells=sum(asked.values())
    )


def claim(task: SyncTask, owner: UUID, *, without: Collection[str] = ()) -> SyncShard | None:
    """The next shard that is free, now the owner's; None while there is none.

    `without` names datasets that the owner can do nothing for: a shard of those alone is for others.
    """
    values: dict[str, Any] = {
        "owner": owner,
        "task": task.pk,
        "dead_after": DEAD_AFTER,
        "without": json.dumps(list(without)),
    }
    return next(iter(SyncShard.objects.raw(_CLAIM, values)), None)


@dataclass(frozen=True)
class ShardGuard:
    """The guard of whoever runs it, and of the shard: cells commit only while both are its own."""

    guard: Guard
    shard: SyncShard

    def checkpoint(self) -> None:
        self.guard.checkpoint()

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """Raises ShardLost before the body where another has the shard, or its task is over.

        The row is locked FOR SHARE: whoever takes the shard or drops the task waits for the commit.
        """
        with self.guard.fenced():
            with connection.cursor() as cursor:
                cursor.execute(_HELD, [FROZEN_AFTER, self.shard.pk])
                row = cursor.fetchone()
            own = (ShardState.RUNNING, self.shard.owner, self.shard.fence, TaskStatus.RUNNING)
            if row is None or row[:4] != own:
                raise _lost(self.shard)
            yield


def advance(shard: SyncShard, *, cells: int = 0, rows: int = 0) -> None:
    """Note finished cells and rows, and a sign of life. Raises ShardLost as `fenced` does."""
    _write(shard, done_cells=F("done_cells") + cells, rows=F("rows") + rows, heartbeat_at=Now())


def finish(shard: SyncShard, reports: Sequence[DatasetReport]) -> None:
    """Every cell of it was asked for that could be. Raises ShardLost."""
    changes: dict[str, Any] = {"report": _reports.dump_python(list(reports), mode="json")}
    if set(shard.datasets) == {report.dataset for report in reports if not report.stopped}:
        # An owner before this one may have died between a cell and its count.
        changes["done_cells"] = F("cells")
    _write(shard, state=ShardState.DONE, **changes)


def is_held(shard: SyncShard) -> bool:
    """Does its owner still have it, under the fence of its claim?"""
    return bool(_own(shard).exists())


def release(shard: SyncShard) -> None:
    """Leave it to others, if it is still ours."""
    _own(shard).update(state=ShardState.WAITING, owner=None)


def reports_of(shard: SyncShard) -> list[DatasetReport]:
    return _reports.validate_python(shard.report)


def unfinished(task: SyncTask, *, without: Collection[str] = ()) -> int:
    """How many shards are not done, those of the datasets `without` aside."""
    left = SyncShard.objects.filter(task=task).exclude(state=ShardState.DONE)
    return left.exclude(datasets__contained_by=list(without)).count()


def at_work(task: SyncTask) -> int:
    """How many shards somebody alive works on."""
    alive = SyncShard.objects.filter(heartbeat_at__gt=Now() - DEAD_AFTER)
    return alive.filter(task=task, state=ShardState.RUNNING).count()


def sum_up(task: SyncTask, *, offset: int, rows: int, now: dt.datetime) -> None:
    """Let the task's progress be that of its shards, above what it had before them."""
    values: dict[str, Any] = {"offset": offset, "rows": rows, "now": now, "task": task.pk}
    with connection.cursor() as cursor:
        cursor.execute(_SUM, values)
        if (summed := cursor.fetchone()) is not None:
            task.current_offset, task.total_processed = summed
            task.updated_at = now


def _own(shard: SyncShard) -> Any:
    return SyncShard.objects.filter(
        pk=shard.pk, owner=shard.owner, fence=shard.fence, state=ShardState.RUNNING
    )


def _write(shard: SyncShard, **changes: Any) -> None:
    if not _own(shard).update(**changes):
        raise _lost(shard)


def _lost(shard: SyncShard) -> ShardLost:
    return ShardLost(f"Another has {shard}, or the task is over: this engine lets go of it.")
