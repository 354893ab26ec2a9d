"""How much of a quota is used: our limiter, a fixed interval, and one call after the other.

Each contender has a process and a sandbox of its own, and all run at the same time. Two ratios are
taken at the sandbox: calls made of those allowed over three windows, which begin with the first call,
and the sustained one, which a burst at the start cannot flatter: a window's length by the time in
which a quota's worth of calls arrived, on average over the run.
"""

from __future__ import annotations

import enum
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datasync_app.protocol import Refusal, Rows, no_permission
from tests.bench.report import say, table
from tests.bench.surroundings import start_django

if TYPE_CHECKING:
    from datasync_app.tushare.limits import EndpointLimiters

WINDOWS = 3
QUOTAS = (200, 500)  # a minute, of accounts with 2,000 and with 5,000 points
LATENCY_SECONDS = 0.3
FIXED_INTERVAL_SECONDS = 0.35
THREADS = 32
PROCESSES = 4
START_SECONDS = 15.0  # until the last process of several has made its first call


class Contender(enum.Enum):
    SLIDING = "sliding window, 32 threads"
    SHARED = "the same in PostgreSQL, 4 processes x 8 threads"
    FIXED = "fixed interval of 0.35 s"
    LOOP = "plain sequential loop"


@dataclass(frozen=True)
class Scene:
    """`window` seconds stand for a minute: latency and interval are scaled alike."""

    contender: Contender
    quota: int
    window: float

    def scaled(self, seconds: float) -> float:
        return seconds * self.window / 60


@dataclass(frozen=True)
class Tally:
    made: float
    sustained: float
    refused: int


def run(window: float) -> None:
    say(
        f"Quota used, {WINDOWS} windows of {window:g} s, {len(Contender) * len(QUOTAS)} side by side"
    )
    note = "" if window == 60 else f" (scaled: {window:g} s stand for a minute)"
    say(f"sandbox at {LATENCY_SECONDS * 1000:g} ms latency, limiter set to the quota{note}")
    scenes = [Scene(who, quota, window) for quota in QUOTAS for who in Contender]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(scenes), mp_context=spawn) as pool:
        tallies = list(pool.map(measure, scenes))
    table(
        ("", "quota", "made / allowed", "sustained", "refused"),
        [
            (
                scene.contender.value,
                f"{scene.quota}/min",
                f"{tally.made:.3f}",
                f"{tally.sustained:.3f}",
                f"{tally.refused}",
            )
            for scene, tally in zip(scenes, tallies, strict=True)
        ],
    )


def measure(scene: Scene) -> Tally:
    start_django()
    from datasync_app.sandbox.account import Quota
    from datasync_app.sandbox.server import Sandbox

    arrivals: list[float] = []

    def clock() -> float:
        # The sandbox looks at its clock once for each call that it counts.
        arrivals.append(time.monotonic())
        return arrivals[-1]

    with Sandbox(
        _OneRow(),
        quota=Quota(scene.quota),
        minute_seconds=scene.window,
        latency_ms=scene.scaled(LATENCY_SECONDS) * 1000,
        monotonic=clock,
    ) as sandbox:
        end = time.monotonic() + WINDOWS * scene.window
        if scene.contender is Contender.SHARED:
            _in_processes(scene, sandbox.url, end + START_SECONDS)
        else:
            _call_until(scene, sandbox.url, end)
        refused = sum(sandbox.refused.values())
    return Tally(*quota_used(arrivals, scene.quota, scene.window, refused), refused)


def _in_processes(scene: Scene, url: str, end: float) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn, initializer=start_django) as pool:
        for future in [pool.submit(_call_until, scene, url, end) for _ in range(PROCESSES)]:
            future.result()


def _call_until(scene: Scene, url: str, end: float) -> None:
    """Call as the contender does; `end` is on the clock that all processes of a machine share."""
    from datasync_app.tushare.client import TushareClient

    def is_over() -> bool:
        return time.monotonic() >= end

    client = TushareClient("bench", url, limiters=_limiters(scene))
    drive = _DRIVERS[scene.contender]
    drive(lambda: client.fetch("daily", {}, [], cancelled=is_over), is_over, scene)
    client.close()


def _limiters(scene: Scene) -> EndpointLimiters:
    from datasync_app.tushare.access import LimitRules
    from datasync_app.tushare.limits import EndpointLimiters, stored_limiters

    if scene.contender is Contender.SHARED:
        # An account for each scene: both count in the same database.
        return stored_limiters(f"bench {scene.quota}", LimitRules(scene.quota, scene.window, 1.0))
    if scene.contender is Contender.SLIDING:
        return EndpointLimiters(scene.quota, scene.window)
    return EndpointLimiters(1_000_000, scene.window)


def quota_used(
    arrivals: list[float], quota: int, window: float, refused: int
) -> tuple[float, float]:
    """Calls made of those allowed over WINDOWS, and the sustained share."""
    within = [moment for moment in arrivals if moment < arrivals[0] + WINDOWS * window]
    made = (len(within) - refused) / (WINDOWS * quota)
    spans = [later - earlier for earlier, later in zip(within, within[quota:], strict=False)]
    if not spans:  # not even one quota's worth in all windows: there was no burst either
        return made, made
    return made, window / statistics.mean(spans)


Call = Callable[[], object]


def _threads(call: Call, is_over: Callable[[], bool], scene: Scene) -> None:
    from datasync_app.tushare.outcomes import CallCancelled

    def work() -> None:
        while not is_over():
            try:
                call()
            except CallCancelled:
                return

    threads = THREADS // (PROCESSES if scene.contender is Contender.SHARED else 1)
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work) for _ in range(threads)]:
            future.result()


def _fixed(call: Call, is_over: Callable[[], bool], scene: Scene) -> None:
    interval = scene.scaled(FIXED_INTERVAL_SECONDS)
    due = time.monotonic()
    while not is_over():
        call()
        due = max(due + interval, time.monotonic())
        threading.Event().wait(due - time.monotonic())


def _loop(call: Call, is_over: Callable[[], bool], scene: Scene) -> None:
    while not is_over():
        call()


_DRIVERS: Mapping[Contender, Callable[[Call, Callable[[], bool], Scene], None]] = {
    Contender.SLIDING: _threads,
    Contender.SHARED: _threads,
    Contender.FIXED: _fixed,
    Contender.LOOP: _loop,
}


class _OneRow:
    """The smallest market there is."""

    identity = "replay:bench"

    def serves(self, api_name: str) -> bool:
        return True

    def refuse(self, api_name: str) -> Refusal:
        return no_permission(api_name)

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return ("ts_code",)

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        return ("ts_code",), [["000001.SZ"]]
