from __future__ import annotations

import asyncio
import datetime as dt
import heapq
import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.tushare.outcomes import CallCancelled, LongWait
from datasync_app.tushare.rate_limiter import SlidingWindowRateLimiter, Slot, Ticket
from tests.datasync_app.tushare.virtual_clock import VirtualClock

NOW = dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)


def limiter_on(clock: VirtualClock, max_calls: int, window: float) -> SlidingWindowRateLimiter:
    return SlidingWindowRateLimiter(
        max_calls, window, clock=clock, sleep=clock.sleep, async_sleep=clock.async_sleep
    )


def test_it_lets_calls_go_at_once_while_the_window_has_room(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 3, 60)

    for _ in range(3):
        limiter.acquire_blocking().answered()

    assert clock.now == 0
    assert limiter.used() == 3


def test_it_waits_for_the_oldest_answer_to_leave_the_window(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 2, 60)
    limiter.acquire_blocking().answered()
    clock.now = 10
    limiter.acquire_blocking().answered()

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(60)


def test_it_lets_a_burst_go_again_after_a_quiet_window(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 50, 60)
    for _ in range(50):
        limiter.acquire_blocking().answered()
    clock.now = 60

    for _ in range(50):
        limiter.acquire_blocking().answered()

    assert clock.slept == []


def test_it_counts_a_slot_until_one_window_after_its_answer(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 60)
    slot = limiter.acquire_blocking()
    clock.now = 25
    slot.answered()

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(85)


def test_it_counts_a_call_without_an_answer_until_one_window_after_its_timeout(
    clock: VirtualClock,
) -> None:
    limiter = SlidingWindowRateLimiter(1, 60, clock=clock, sleep=clock.sleep, call_timeout=30)
    limiter.acquire_blocking()

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(90)


def test_it_counts_an_answer_once(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 3, 60)
    with limiter.acquire_blocking() as slot:
        slot.answered()

    assert limiter.used() == 1


def test_it_lets_nothing_go_while_it_is_held(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 5, 60)
    limiter.hold(40)
    limiter.hold(10)

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(40)


def test_it_keeps_to_a_lower_limit_at_once(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 4, 60)
    for _ in range(4):
        limiter.acquire_blocking().answered()
        clock.now += 1
    limiter.set_max_calls(2)

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(62)  # the third of the four has left; one is still counted


def test_it_serves_those_who_wait_in_their_order(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 60)
    limiter.acquire_blocking().answered()
    first, second = Ticket(), Ticket()
    assert isinstance(limiter.reserve(first), float)
    assert isinstance(limiter.reserve(second), float)
    clock.now = 60

    assert isinstance(limiter.reserve(second), float)
    assert isinstance(limiter.reserve(first), Slot)


def test_it_gives_the_place_of_a_cancelled_caller_to_the_next(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 60)
    limiter.acquire_blocking().answered()
    with pytest.raises(CallCancelled):
        limiter.acquire_blocking(cancelled=lambda: clock.now > 1)

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(60)


def test_it_gives_the_place_of_a_cancelled_task_to_the_next(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 60)

    async def cancel_one_that_waits() -> None:
        (await limiter.acquire()).answered()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(cancel_one_that_waits())
    limiter.acquire_blocking()

    assert clock.now == pytest.approx(60)


def test_who_would_wait_for_longer_than_ten_minutes_is_told_until_when(
    clock: VirtualClock,
) -> None:
    limiter = SlidingWindowRateLimiter(
        1, 3600, clock=clock, sleep=clock.sleep, api_name="stock_basic", now=lambda: NOW
    )
    limiter.acquire_blocking().answered()

    with pytest.raises(LongWait, match="stock_basic was not asked.*08:00:00 UTC") as told:
        limiter.acquire_blocking()
    assert told.value.reset_at == NOW + dt.timedelta(hours=1)
    assert not told.value.is_short
    assert clock.slept == []
    clock.now = 3001
    limiter.acquire_blocking()


def test_a_task_that_would_wait_for_longer_is_told_as_well(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 3600)
    limiter.hold(601)

    with pytest.raises(LongWait):
        asyncio.run(limiter.acquire())


def test_a_wait_of_ten_minutes_is_waited_for(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 60)
    limiter.hold(600)

    limiter.acquire_blocking()

    assert clock.now == pytest.approx(600)


def test_one_who_waits_ever_again_is_told_after_ten_minutes(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 1, 60)
    limiter.hold(60)

    def hold_on() -> bool:
        if clock.now % 50 < 1:
            limiter.hold(60)
        return False

    with pytest.raises(LongWait):
        limiter.acquire_blocking(hold_on)
    assert 540 <= clock.now <= 600


def test_it_refuses_a_limit_that_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="0 calls in 60 s"):
        SlidingWindowRateLimiter(0, 60)


def test_it_holds_across_threads_and_event_loops(clock: VirtualClock) -> None:
    limiter = limiter_on(clock, 5, 60)
    taken: list[float] = []

    def on_a_thread() -> None:
        for _ in range(5):
            with limiter.acquire_blocking() as slot:
                taken.append(slot.taken_at)

    async def in_tasks() -> None:
        async def one() -> None:
            with await limiter.acquire() as slot:
                taken.append(slot.taken_at)

        await asyncio.gather(*(one() for _ in range(5)))

    threads = [threading.Thread(target=on_a_thread) for _ in range(4)]
    threads += [threading.Thread(target=lambda: asyncio.run(in_tasks())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    taken.sort()
    assert len(taken) == 30
    assert all(later - sooner >= 60 for sooner, later in zip(taken, taken[5:], strict=False))


# A caller: when it comes after the one before, how long its call is under way, and how long its
# answer is; None for an answer that never comes. All in whole milliseconds, so sums are exact.
callers = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 20), st.one_of(st.none(), st.integers(0, 20))),
    min_size=1,
    max_size=30,
)


@given(limit=st.integers(1, 5), window=st.integers(1, 60), calls=callers)
def test_it_never_lets_the_source_count_more_than_the_limit(
    limit: int, window: int, calls: list[tuple[int, int, int | None]]
) -> None:
    clock = VirtualClock()
    limiter = SlidingWindowRateLimiter(limit, window, clock=clock, call_timeout=20)
    tickets = [Ticket() for _ in calls]
    slots: dict[int, Slot] = {}
    arrivals: list[float] = []
    leaves: list[float] = []  # when each call that was let go stops counting
    served: list[int] = []
    came: list[int] = []
    number = itertools.count()
    events: list[tuple[float, int, str, int]] = []

    def plan(at: float, what: str, caller: int) -> None:
        heapq.heappush(events, (at, next(number), what, caller))

    for caller, at in enumerate(itertools.accumulate(gap for gap, _, _ in calls)):
        plan(at, "come", caller)
    while events:
        clock.now, _, what, caller = heapq.heappop(events)
        if what == "answer":
            slots[caller].answered()
            continue
        if what == "come":
            came.append(caller)
        result = limiter.reserve(tickets[caller])
        counted = sum(1 for end in leaves if end > clock.now)
        if isinstance(result, Slot):
            _, way, back = calls[caller]
            slots[caller] = result
            served.append(caller)
            arrivals.append(clock.now + way)
            answered = 20 if back is None else min(20, way + back)
            leaves.append(clock.now + answered + window)
            if back is not None and way + back < 20:
                plan(clock.now + way + back, "answer", caller)
        else:
            ahead = sum(1 for other in came[: came.index(caller)] if other not in served)
            assert counted + ahead >= limit, "a caller waits although there is room"
            assert result > 0
            plan(clock.now + result, "ask again", caller)

    assert sorted(served) == list(range(len(calls)))
    arrivals.sort()
    too_close = [
        (sooner, later)
        for sooner, later in zip(arrivals, arrivals[limit:], strict=False)
        if later - sooner < window
    ]
    assert not too_close


def test_it_uses_the_quota_it_has(clock: VirtualClock) -> None:
    """Eight callers, 300 ms a call, three windows of 195 calls."""
    limiter = SlidingWindowRateLimiter(195, 60_000, clock=clock)
    events = [(0.0, caller, Ticket()) for caller in range(8)]
    answers: list[tuple[float, int, Slot]] = []
    numbers = itertools.count(8)
    calls = 0
    while True:
        if answers and (not events or answers[0][0] <= events[0][0]):
            clock.now, _, slot = heapq.heappop(answers)
            slot.answered()
            heapq.heappush(events, (clock.now, next(numbers), Ticket()))
            continue
        clock.now, _, ticket = heapq.heappop(events)
        if clock.now >= 180_000:
            break
        result = limiter.reserve(ticket)
        if isinstance(result, Slot):
            calls += 1
            heapq.heappush(answers, (clock.now + 300, next(numbers), result))
        else:
            heapq.heappush(events, (clock.now + result, next(numbers), ticket))

    assert calls >= 0.99 * 3 * 195
