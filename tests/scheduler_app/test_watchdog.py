"""A thread that is dead or stuck is named; one that has nothing to do, or was frozen, is not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, repeat

from scheduler_app.watchdog import WATCH_SECONDS, Watchdog, Watched


def thread(rounds: Iterator[int | None], *, alive: bool = True) -> Watched:
    return Watched("the loop", lambda: alive, lambda: next(rounds), patience=10 * WATCH_SECONDS)


def problems(watched: Watched, looks: int) -> set[str]:
    watchdog = Watchdog([watched])
    return {watchdog.problem() for _ in range(looks)}


def test_a_thread_that_goes_on_is_no_problem() -> None:
    assert problems(thread(count()), 100) == {""}


def test_a_dead_thread_is_named_at_once() -> None:
    assert Watchdog([thread(count(), alive=False)]).problem() == "the loop is dead"


def test_a_thread_without_progress_is_stuck_after_its_patience() -> None:
    assert problems(thread(repeat(7)), 11) == {""}
    assert problems(thread(repeat(7)), 12) == {"", "the loop is stuck"}


def test_a_thread_that_need_not_go_on_is_never_stuck() -> None:
    assert problems(thread(repeat(None)), 100) == {""}


def test_a_thread_that_is_slow_gets_its_patience_anew_with_every_round() -> None:
    slow = (number // 10 for number in count())
    assert problems(thread(slow), 100) == {""}


def test_one_problem_among_many_threads_is_found() -> None:
    watchdog = Watchdog([thread(count()), thread(count(), alive=False)])
    assert watchdog.problem() == "the loop is dead"
