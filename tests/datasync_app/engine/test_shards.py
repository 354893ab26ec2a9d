"""Shards: laid out by dates, claimed by one, committed by whoever holds them."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from datasync_app.datasets import DAILY
from datasync_app.datasets.base import Cell
from datasync_app.datasets.market import ADJ_FACTOR, INDEX_DAILY
from datasync_app.engine import shards, task_requests, tasks
from datasync_app.engine.guard import OwnGuard
from datasync_app.engine.plan import Plan
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.shards import ShardGuard
from datasync_app.errors import ShardLost
from datasync_app.models import ShardState, SyncShard, SyncTask, TaskStatus

pytestmark = pytest.mark.django_db

START, END = dt.date(2024, 1, 1), dt.date(2024, 1, 31)
A, B = UUID(int=1), UUID(int=2)


def days(*numbers: int) -> tuple[Cell, ...]:
    dates = [dt.date(2024, 1, number) for number in numbers]
    return tuple(Cell(f"{date:%Y%m%d}", date) for date in dates)


@pytest.fixture
def task() -> SyncTask:
    """A running task with shards of two dates: 9 and 8, 5 and 4, 3; and one of an index."""
    task = tasks.start_task("sync_daily_history", now=timezone.now())
    plans = [
        Plan(DAILY, days(9, 8, 5, 4, 3), ()),
        Plan(ADJ_FACTOR, days(8, 5), ()),
        Plan(INDEX_DAILY, (Cell("000001.SH:2024", None),), ()),
    ]
    assert shards.lay_out(task, plans, START, END, size=2) == 4
    return task


def claimed(task: SyncTask, owner: UUID = A) -> SyncShard:
    shard = shards.claim(task, owner)
    assert shard is not None
    return shard


def silence(shard: SyncShard) -> None:
    """As after a kill or a freeze of its owner."""
    long_ago = timezone.now() - shards.DEAD_AFTER - dt.timedelta(seconds=1)
    SyncShard.objects.filter(pk=shard.pk).update(heartbeat_at=long_ago)


def guard(shard: SyncShard) -> ShardGuard:
    return ShardGuard(OwnGuard(), shard)


def test_it_is_cut_by_dates_newest_first_and_what_has_no_dates_comes_last(task: SyncTask) -> None:
    laid = [
        (shard.first.day, shard.last.day, shard.datasets, shard.cells)
        for shard in SyncShard.objects.filter(task=task)
    ]
    assert laid == [
        (8, 9, ["daily", "adj_factor"], 3),
        (4, 5, ["daily", "adj_factor"], 3),
        (3, 3, ["daily"], 1),
        (1, 31, ["index_daily"], 1),
    ]


def test_a_new_start_lays_out_anew(task: SyncTask) -> None:
    assert shards.lay_out(task, [Plan(DAILY, days(3), ())], START, END, size=2) == 1
    assert SyncShard.objects.filter(task=task).count() == 1


def test_each_shard_is_claimed_by_one(task: SyncTask) -> None:
    numbers = [claimed(task, owner).number for owner in (A, B, A, B)]
    assert numbers == [0, 1, 2, 3]
    assert shards.claim(task, A) is None


def test_nothing_of_a_task_that_is_over_is_claimed(task: SyncTask) -> None:
    tasks.finish(task, TaskStatus.FAILED, now=timezone.now())
    assert shards.claim(task, A) is None


def test_a_shard_of_datasets_that_its_engine_can_do_nothing_for_is_left_to_others(
    task: SyncTask,
) -> None:
    shard = shards.claim(task, A, without={"daily", "adj_factor"})
    assert shard is not None and shard.datasets == ["index_daily"]
    assert shards.unfinished(task, without={"daily", "adj_factor"}) == 1
    assert shards.unfinished(task) == 4


def test_a_silent_owner_loses_its_shard_to_another_and_commits_nothing(task: SyncTask) -> None:
    first = claimed(task)
    with guard(first).fenced():
        pass
    silence(first)
    again = claimed(task, B)
    assert (again.pk, again.fence) == (first.pk, first.fence + 1)
    with pytest.raises(ShardLost), guard(first).fenced():
        pytest.fail("the body ran")
    with pytest.raises(ShardLost):
        shards.advance(first, cells=1)
    with pytest.raises(ShardLost):
        shards.finish(first, [])
    shards.release(first)
    with guard(again).fenced():
        pass


def test_one_that_gives_signs_of_life_keeps_its_shard(task: SyncTask) -> None:
    shard = claimed(task)
    silence(shard)
    shards.advance(shard)
    assert claimed(task, B).pk != shard.pk
    assert shards.at_work(task) == 2


@pytest.mark.parametrize("status", [TaskStatus.PAUSED, TaskStatus.FAILED])
def test_no_shard_commits_for_a_task_that_was_paused_or_cancelled(
    task: SyncTask, status: TaskStatus
) -> None:
    shard = claimed(task)
    tasks.finish(task, status, now=timezone.now())
    with pytest.raises(ShardLost), guard(shard).fenced():
        pytest.fail("the body ran")


def test_what_is_asked_of_the_task_reaches_every_engine(task: SyncTask) -> None:
    task_requests.pause(task.pk, by="ann", now=timezone.now(), withdraw=lambda pk, why: True)
    for _engine in (A, B):
        with pytest.raises(Exception, match="paused by ann"):
            tasks.check(SyncTask.objects.get(pk=task.pk))


def test_a_released_shard_is_free_at_once(task: SyncTask) -> None:
    shard = claimed(task)
    shards.release(shard)
    assert claimed(task, B).pk == shard.pk


def test_progress_is_the_sum_over_the_shards_and_what_was_done_twice_counts_once(
    task: SyncTask,
) -> None:
    first, second = claimed(task), claimed(task, B)
    for _ in range(first.cells + 2):
        shards.advance(first, cells=1, rows=10)
    shards.advance(second, cells=1, rows=7)
    shards.sum_up(task, offset=5, rows=100, now=timezone.now())
    stored = SyncTask.objects.get(pk=task.pk)
    assert (stored.current_offset, stored.total_processed) == (5 + 3 + 1, 100 + 50 + 7)
    assert (task.current_offset, task.total_processed) == (9, 157)


def test_its_reports_come_back_as_they_were(task: SyncTask) -> None:
    shard = claimed(task)
    report = DatasetReport("daily", good_cells={"20240109"}, rows=3, parked_until=timezone.now())
    report.open_cells["20240108"] = "partial: 3 codes lack"
    shards.finish(shard, [report])
    shard.refresh_from_db()
    assert shard.state == ShardState.DONE
    assert shards.reports_of(shard) == [report]


def test_dropping_the_task_drops_its_shards(task: SyncTask) -> None:
    shard = claimed(task, uuid4())
    task.delete()
    with pytest.raises(ShardLost), guard(shard).fenced():
        pytest.fail("the body ran")
