"""Pause, resume and cancel: what a person may ask of a task in which state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from datasync_app.engine import task_requests, tasks
from datasync_app.errors import TaskLost, TaskRefused, TaskStopped
from datasync_app.models import SyncTask, TaskStatus, TaskWish
from tests.datasync_app.factories import NOW, SyncTaskFactory

pytestmark = pytest.mark.django_db

JOB = "sync_daily_history"
LATER = NOW + dt.timedelta(minutes=5)


def never(*_: object) -> bool:
    raise AssertionError("nothing is queued and nothing is taken back here")


def paused(**fields: object) -> SyncTask:
    return SyncTaskFactory.create(
        job_type=JOB, status=TaskStatus.PAUSED, config={"start": "20150101"}, **fields
    )


def test_a_running_task_hears_of_a_pause_at_its_next_check_and_not_before() -> None:
    task = tasks.start_task(JOB, now=NOW)
    tasks.check(task)
    task_requests.pause(task.pk, by="amy", now=LATER, withdraw=never)
    stored = SyncTask.objects.get()
    assert (stored.status, stored.wanted, stored.wanted_by) == ("RUNNING", "pause", "amy")
    assert stored.updated_at == NOW, "a wish is no sign of life"
    with pytest.raises(TaskStopped, match="paused by amy") as stop:
        tasks.check(task)
    assert stop.value.paused


def test_a_pause_is_taken_back_before_it_was_heard() -> None:
    task = tasks.start_task(JOB, now=NOW)
    task_requests.pause(task.pk, by="amy", now=NOW, withdraw=never)
    resumed = task_requests.resume(task.pk, now=NOW, queue=never)
    assert (resumed.status, resumed.wanted) == (TaskStatus.RUNNING, "")
    tasks.check(task)


def test_a_cancelled_running_task_hears_of_it() -> None:
    task = tasks.start_task(JOB, now=NOW)
    task_requests.cancel(task.pk, by="amy", now=NOW, withdraw=never)
    assert SyncTask.objects.get().wanted == TaskWish.CANCEL
    with pytest.raises(TaskStopped, match="cancelled by amy") as stop:
        tasks.check(task)
    assert not stop.value.paused


def test_a_closed_task_is_lost_whatever_was_asked() -> None:
    task = tasks.start_task(JOB, now=NOW)
    SyncTask.objects.update(status=TaskStatus.FAILED, wanted="pause")
    with pytest.raises(TaskLost):
        tasks.check(task)


def test_a_resumed_task_waits_for_its_execution_and_is_the_one_that_goes_on() -> None:
    task = paused(current_offset=70, total_processed=900, started_at=NOW)
    asked: list[object] = []

    def queue(job_type: str, config: dict[str, object]) -> int:
        asked.append((job_type, config))
        return 41

    waiting = task_requests.resume(task.pk, now=LATER, queue=queue)
    assert asked == [(JOB, {"start": "20150101"})]
    assert (waiting.status, waiting.execution_id) == (TaskStatus.PENDING, 41)
    other = tasks.start_task("sync_stock_basic", now=LATER, execution_id=40)
    assert other.pk != task.pk
    going_on = tasks.start_task(JOB, now=LATER, execution_id=41, config={"start": "20150101"})
    assert going_on.pk == task.pk
    assert (going_on.current_offset, going_on.offset_then, going_on.total_processed) == (
        70,
        70,
        900,
    )
    assert (going_on.started_at, going_on.resumed_at) == (NOW, LATER)


def test_a_resume_whose_run_cannot_be_queued_leaves_the_task_paused() -> None:
    task = paused()

    def queue(job_type: str, config: dict[str, object]) -> int:
        raise TaskRefused("there is no such job")

    with pytest.raises(TaskRefused):
        task_requests.resume(task.pk, now=LATER, queue=queue)
    assert SyncTask.objects.get().status == TaskStatus.PAUSED


@pytest.mark.parametrize("wish", [task_requests.pause, task_requests.cancel])
def test_a_waiting_task_takes_its_queued_run_back(wish: Callable[..., SyncTask]) -> None:
    task = SyncTaskFactory.create(job_type=JOB, status=TaskStatus.PENDING, execution_id=41)
    taken: list[object] = []

    def withdraw(*given: object) -> bool:
        taken.append(given)
        return True

    wish(task.pk, by="amy", now=LATER, withdraw=withdraw)
    stored = SyncTask.objects.get()
    assert stored.status == (
        TaskStatus.PAUSED if wish is task_requests.pause else TaskStatus.FAILED
    )
    assert "by amy" in stored.failure_reason
    assert taken == [(41, stored.failure_reason)]
    assert stored.execution_id is None


def test_a_parked_task_is_continued_by_the_next_run_with_the_same_arguments() -> None:
    parked = paused(current_offset=5, resume_at=LATER)
    same = tasks.start_task(JOB, now=LATER, config={"start": "20150101"}, execution_id=9)
    assert (same.pk, same.resume_at, same.execution_id) == (parked.pk, None, 9)


def test_a_parked_task_is_left_alone_by_a_run_with_other_arguments() -> None:
    parked = paused(resume_at=LATER)
    other = tasks.start_task(JOB, now=LATER, config={})
    assert other.pk != parked.pk
    parked.refresh_from_db()
    assert parked.status == TaskStatus.PAUSED


def test_a_task_that_a_person_paused_waits_for_that_person() -> None:
    held = paused()
    assert tasks.start_task(JOB, now=LATER, config={"start": "20150101"}).pk != held.pk


@pytest.mark.parametrize("status", [TaskStatus.COMPLETED, TaskStatus.FAILED])
def test_what_is_over_is_refused_with_a_sentence(status: TaskStatus) -> None:
    task = SyncTaskFactory.create(job_type=JOB, status=status)
    asked: list[Callable[[], SyncTask]] = [
        lambda: task_requests.pause(task.pk, by="amy", now=NOW, withdraw=never),
        lambda: task_requests.resume(task.pk, now=NOW, queue=never),
        lambda: task_requests.cancel(task.pk, by="amy", now=NOW, withdraw=never),
    ]
    for ask in asked:
        with pytest.raises(TaskRefused, match=f"Task {task.pk} is {status}; .* can be "):
            ask()


def test_rate_and_eta_count_from_where_the_task_last_began() -> None:
    task = tasks.start_task(JOB, now=NOW)
    assert (task.cells_per_minute, task.eta) == (None, None)
    tasks.expect(task, 100, now=NOW)
    tasks.advance(task, cells=20, rows=1, now=NOW + dt.timedelta(minutes=2))
    assert task.cells_per_minute == 10
    assert task.eta == NOW + dt.timedelta(minutes=10)
    tasks.finish(task, TaskStatus.PAUSED, now=NOW + dt.timedelta(minutes=3), resume_at=LATER)
    again = tasks.start_task(JOB, now=NOW + dt.timedelta(hours=1))
    assert (again.cells_per_minute, again.expected_cells) == (None, None)
    tasks.expect(again, 80, now=NOW + dt.timedelta(hours=1))
    assert (again.current_offset, again.expected_cells) == (20, 100)
    tasks.advance(again, cells=40, rows=1, now=NOW + dt.timedelta(minutes=61))
    assert again.cells_per_minute == 40
    assert again.eta == NOW + dt.timedelta(minutes=62)
    tasks.finish(again, TaskStatus.COMPLETED, now=NOW + dt.timedelta(minutes=62))
    assert SyncTask.objects.get().eta is None
