"""The limiter in the database: its function on a virtual clock, the rest for real."""

from __future__ import annotations

import asyncio
import datetime as dt
import heapq
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasync_app.tushare.database import QuotaDatabase, QuotaUnavailable
from datasync_app.tushare.outcomes import CallCancelled, LongWait
from datasync_app.tushare.rate_limiter import Ticket
from datasync_app.tushare.shared_limiter import SharedRateLimiter, SharedSlot
from tests.datasync_app.tushare.virtual_clock import VirtualClock

pytestmark = pytest.mark.django_db

EPOCH = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)
Make = Callable[..., SharedRateLimiter]


@pytest.fixture
def database() -> Iterator[QuotaDatabase]:
    opened = QuotaDatabase()
    yield opened
    opened.close()


@pytest.fixture
def make(database: QuotaDatabase) -> Make:
    """Limiters of an account of the test's own; of one account, as in two processes, when asked."""
    own = secrets.token_hex(6)

    def limiter(max_calls: int, window: float, *, account: str = own, **more: object) -> object:
        return SharedRateLimiter(database, account, "daily", max_calls, window, **more)  # type: ignore[arg-type]

    return limiter  # type: ignore[return-value]


def moment_of(clock: VirtualClock) -> Callable[[], dt.datetime]:
    return lambda: EPOCH + dt.timedelta(seconds=clock.now)


# A caller: when it comes after the one before, in which of two processes, how long its call is
# under way, and how long its answer is; None for an answer that never comes. In whole seconds.
callers = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(0, 1),
        st.integers(0, 20),
        st.none() | st.integers(0, 20),
    ),
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=st.integers(1, 4), window=st.integers(1, 60), calls=callers)
def test_the_source_counts_no_more_than_the_limit_and_nobody_waits_while_there_is_room(
    make: Make, limit: int, window: int, calls: list[tuple[int, int, int, int | None]]
) -> None:
    clock = VirtualClock()
    account = secrets.token_hex(6)
    processes = [
        make(
            limit, window, account=account, call_timeout=20, clock=clock,
            moment=moment_of(clock), jitter=0,
        )
        for _ in range(2)
    ]  # fmt: skip
    tickets = [Ticket() for _ in calls]
    slots: dict[int, SharedSlot] = {}
    queues: list[list[int]] = [[], []]  # who waits, by process
    came: dict[int, float] = {}
    taken: dict[int, float] = {}
    leaves: dict[int, float] = {}  # when a call that was let go stops counting
    number = itertools.count()
    events: list[tuple[float, int, str, int]] = []

    def plan(at: float, what: str, caller: int) -> None:
        heapq.heappush(events, (at, next(number), what, caller))

    for caller, at in enumerate(itertools.accumulate(gap for gap, *_ in calls)):
        plan(at, "come", caller)
    while events:
        clock.now, _, what, caller = heapq.heappop(events)
        if what == "answer":
            slots[caller].answered()
            continue
        _, process, way, back = calls[caller]
        queue = queues[process]
        if what == "come":
            came[caller] = clock.now
            queue.append(caller)
        if caller in slots:
            continue
        result = processes[process].reserve(tickets[caller])
        if isinstance(result, SharedSlot):
            assert caller == queue.pop(0), "not in the order in which they came"
            slots[caller], taken[caller] = result, clock.now
            answered = back is not None and way + back < 20
            leaves[caller] = clock.now + window + (way + (back or 0) if answered else 20)
            if answered:
                plan(clock.now + way + (back or 0), "answer", caller)
            if queue:
                plan(clock.now, "ask", queue[0])  # woken by the one who got its slot
        elif queue[0] == caller:
            assert result > 0
            plan(clock.now + result, "ask", caller)

    assert len(slots) == len(calls)
    arrivals = sorted(taken[caller] + calls[caller][2] for caller in slots)
    assert not [
        (sooner, later)
        for sooner, later in zip(arrivals, arrivals[limit:], strict=False)
        if later - sooner < window
    ]
    # Room appears when a slot stops counting: whoever waits at, or from, such a moment has none.
    for caller, served in taken.items():
        for moment in {came[caller], *leaves.values()}:
            if came[caller] <= moment < served:
                counted = sum(1 for each in taken if taken[each] <= moment < leaves[each])
                assert counted >= limit, "a caller waits although there is room"


def test_two_limiters_of_an_account_share_the_window(make: Make) -> None:
    one, other = make(3, 60), make(3, 60)
    one.acquire_blocking().answered()
    other.acquire_blocking().answered()
    one.acquire_blocking()

    assert isinstance(other.reserve(Ticket()), float)
    assert one.used() == other.used() == 3


def test_it_waits_until_the_earliest_slot_is_free(make: Make) -> None:
    clock = VirtualClock()
    limiter = make(2, 60, clock=clock, moment=moment_of(clock), jitter=0)
    limiter.acquire_blocking().answered()
    clock.now = 20
    limiter.acquire_blocking().answered()
    waiting = Ticket()

    assert isinstance(limiter.reserve(waiting), float)
    clock.now = 59
    assert isinstance(limiter.reserve(waiting), float)
    clock.now = 61
    assert isinstance(limiter.reserve(waiting), SharedSlot)


def test_it_sleeps_for_as_long_as_it_has_to_wait(make: Make) -> None:
    limiter = make(1, 0.4)
    limiter.acquire_blocking().answered()
    started = time.monotonic()

    limiter.acquire_blocking()

    assert time.monotonic() - started >= 0.38


def test_the_slot_of_a_killed_process_is_free_a_window_after_its_timeout(make: Make) -> None:
    clock = VirtualClock()
    limiter = make(1, 60, call_timeout=30, clock=clock, moment=moment_of(clock), jitter=0)
    limiter.acquire_blocking()  # and never answered

    clock.now = 89
    assert isinstance(limiter.reserve(Ticket()), float)
    clock.now = 92
    assert isinstance(make(1, 60, moment=moment_of(clock)).reserve(Ticket()), SharedSlot)


def test_a_hold_holds_in_every_process(make: Make) -> None:
    clock = VirtualClock()
    one, other = (make(5, 60, clock=clock, moment=moment_of(clock), jitter=0) for _ in range(2))
    one.hold(40)
    one.hold(10)

    assert isinstance(other.reserve(Ticket()), float)
    clock.now = 40
    assert isinstance(one.reserve(Ticket()), SharedSlot)


def test_endpoints_and_accounts_count_for_themselves(database: QuotaDatabase, make: Make) -> None:
    account = secrets.token_hex(6)
    make(1, 60, account=account).acquire_blocking()

    SharedRateLimiter(database, account, "adj_factor", 1, 60).acquire_blocking()
    make(1, 60, account=secrets.token_hex(6)).acquire_blocking()


def test_it_serves_those_who_wait_in_their_order(make: Make) -> None:
    limiter = make(1, 0.15)
    limiter.acquire_blocking().answered()
    served: list[int] = []

    def wait_for_one(number: int) -> None:
        with limiter.acquire_blocking():
            served.append(number)

    threads = [threading.Thread(target=wait_for_one, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join(10)

    assert served == [0, 1, 2, 3]


def test_one_that_waits_can_be_cancelled_and_gives_its_place_up(make: Make) -> None:
    limiter = make(1, 2.0)
    limiter.acquire_blocking().answered()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.acquire_blocking, stop.is_set)
        time.sleep(0.05)
        stop.set()
        with pytest.raises(CallCancelled):
            waiting.result(10)

    assert isinstance(limiter.acquire_blocking(), SharedSlot)


def test_a_task_that_waits_can_be_cancelled_and_gives_its_place_up(make: Make) -> None:
    limiter = make(1, 0.4)

    async def cancel_one_that_waits() -> None:
        (await limiter.acquire()).answered()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        (await limiter.acquire()).answered()

    asyncio.run(cancel_one_that_waits())


def test_a_higher_limit_counts_for_those_who_wait(make: Make) -> None:
    limiter = make(1, 30)
    limiter.acquire_blocking()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.acquire_blocking)
        time.sleep(0.05)
        limiter.set_max_calls(2)

        assert isinstance(waiting.result(3), SharedSlot)


def test_who_would_wait_for_longer_than_ten_minutes_is_told_until_when(make: Make) -> None:
    clock = VirtualClock()
    limiter = make(1, 3600, clock=clock, moment=moment_of(clock), now=moment_of(clock))
    limiter.acquire_blocking().answered()

    def acquire_in_a_loop() -> SharedSlot:
        return asyncio.run(limiter.acquire())

    for acquire in (limiter.acquire_blocking, acquire_in_a_loop):
        with pytest.raises(LongWait, match="daily was not asked.*01:00:00 UTC") as told:
            acquire()
        assert told.value.reset_at == EPOCH + dt.timedelta(hours=1)
    clock.now = 3602
    limiter.acquire_blocking()


def test_those_behind_the_first_are_told_as_well(make: Make) -> None:
    limiter = make(1, 3600)
    limiter.hold(3600)

    def is_told(_: int) -> bool:
        with pytest.raises(LongWait):
            limiter.acquire_blocking()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(is_told, range(4)))


def test_a_clock_that_is_set_back_stops_no_endpoint(make: Make) -> None:
    clock = VirtualClock()
    clock.now = 86_400
    limiter = make(2, 60, call_timeout=30, clock=clock, moment=moment_of(clock), jitter=0)
    limiter.acquire_blocking().answered()
    limiter.acquire_blocking()  # and never answered
    limiter.hold(60)
    clock.now = 0  # a day back
    limiter = make(2, 60, call_timeout=30, clock=clock, moment=moment_of(clock), jitter=0)

    ticket = Ticket()
    assert isinstance(limiter.reserve(ticket), float)
    clock.now = 89
    assert isinstance(limiter.reserve(ticket), float)
    clock.now = 92
    assert isinstance(limiter.reserve(ticket), SharedSlot)


def test_it_refuses_a_limit_that_cannot_be_kept(make: Make) -> None:
    with pytest.raises(ValueError, match="0 calls in 60 s"):
        make(0, 60)


def test_threads_share_one_connection(make: Make) -> None:
    limiter = make(100, 60)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limiter.acquire_blocking().answered(), range(40)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stocksync quota'"
            " AND datname = current_database()"
        )
        # One of this test's database, at most one that clients of other tests have left.
        assert cursor.fetchone()[0] <= 2


def test_a_lost_connection_is_opened_again(database: QuotaDatabase, make: Make) -> None:
    limiter = make(5, 60)
    limiter.acquire_blocking()
    [(process,)] = database.rows("SELECT pg_backend_pid()")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [process])

    limiter.acquire_blocking()

    assert limiter.used() == 2


def test_a_database_that_is_away_is_told_in_a_sentence_and_waited_for(
    database: QuotaDatabase, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = make(5, 60)
    slot = limiter.acquire_blocking()
    with monkeypatch.context() as away:

        def refuse(self: QuotaDatabase) -> None:
            raise psycopg.OperationalError("connection refused")

        away.setattr(QuotaDatabase, "_connected", refuse)
        with pytest.raises(QuotaUnavailable, match="not called while the database.*refused"):
            limiter.acquire_blocking()
        slot.answered()  # no answer is lost for it

    assert isinstance(limiter.acquire_blocking(), SharedSlot)


def test_nobody_holds_a_transaction_while_waiting(database: QuotaDatabase, make: Make) -> None:
    limiter = make(1, 1.0)
    limiter.acquire_blocking().answered()
    with ThreadPoolExecutor(1) as pool, connection.cursor() as cursor:
        waiting = pool.submit(limiter.acquire_blocking)
        time.sleep(0.1)
        cursor.execute(
            "SELECT state FROM pg_stat_activity WHERE application_name = 'stocksync quota'"
            " AND datname = current_database()"
        )
        states = {state for (state,) in cursor.fetchall()}
        waiting.result(5)

    assert states == {"idle"}
