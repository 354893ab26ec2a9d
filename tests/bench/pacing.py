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

from datasync_app.sandbox.protocol import Refusal, Rows, no_permission
from tests.bench.report import say, table
from tests.bench.surroundings import start_django

WINDOWS = 3
QUOTAS = (200, 500)  # a minute, of accounts with 2,000 and with 5,000 points
LATENCY_SECONDS = 0.3
FIXED_INTERVAL_SECONDS = 0.35
THREADS = 32


class Contender(enum.Enum):
    SLIDING = "sliding window (ours), 32 threads"
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
    from datasync_app.tushare.client import TushareClient
    from datasync_app.tushare.limits import EndpointLimiters

    arrivals: list[float] = []

    def clock() -> float:
        # The sandbox looks at its clock once for each call that it counts.
        arrivals.append(time.monotonic())
        return arrivals[-1]

    limit = scene.quota if scene.contender is Contender.SLIDING else 1_000_000
    with Sandbox(
        _OneRow(),
        quota=Quota(scene.quota),
        minute_seconds=scene.window,
        latency_ms=scene.scaled(LATENCY_SECONDS) * 1000,
        monotonic=clock,
    ) as sandbox:
        client = TushareClient("bench", sandbox.url, limiters=EndpointLimiters(limit, scene.window))
        end = time.monotonic() + WINDOWS * scene.window

        def is_over() -> bool:
            return time.monotonic() >= end

        _DRIVERS[scene.contender](
            lambda: client.fetch("daily", {}, [], cancelled=is_over), is_over, scene
        )
        client.close()
        refused = sum(sandbox.refused.values())
    return Tally(*_ratios(arrivals, scene, refused), refused)


def _ratios(arrivals: list[float], scene: Scene, refused: int) -> tuple[float, float]:
    within = [moment for moment in arrivals if moment < arrivals[0] + WINDOWS * scene.window]
    made = (len(within) - refused) / (WINDOWS * scene.quota)
    spans = [later - earlier for earlier, later in zip(within, within[scene.quota :], strict=False)]
    return made, scene.window / statistics.mean(spans)


Call = Callable[[], object]


def _threads(call: Call, is_over: Callable[[], bool], scene: Scene) -> None:
    from datasync_app.tushare.outcomes import CallCancelled

    def work() -> None:
        while not is_over():
            try:
                call()
            except CallCancelled:
                return

    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(work) for _ in range(THREADS)]:
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
