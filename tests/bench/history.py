"""What a history costs: memory from one year to twenty, calls planned, and the quota made use of."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

from tests.bench.canned_source import canned_source
from tests.bench.pacing import WINDOWS, quota_used
from tests.bench.report import say, table
from tests.bench.surroundings import start_django

LAST_YEAR = 2024
YEARS = (1, 20)
FIRST_PLANNED = dt.date(2010, 1, 1)
QUOTA = 500
LATENCY_SECONDS = 0.3


def run_memory(codes: int) -> None:
    """Peak memory of the engine's process, one year and twenty, each in a process of its own."""
    say(f"Memory of a history run of daily, {codes:,} companies a day")
    spawn = multiprocessing.get_context("spawn")
    lines = []
    with canned_source(codes):
        for years in YEARS:
            with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_django) as pool:
                cells, rows, seconds, megabytes = pool.submit(_sync_years, years).result()
            lines.append(
                (
                    f"{years} years" if years > 1 else "1 year",
                    f"{cells:,}",
                    f"{rows:,}",
                    f"{rows / seconds:,.0f}",
                    f"{megabytes:,.0f} MB",
                )
            )
    table(("", "dates", "rows", "rows/s", "peak memory"), lines)


def _sync_years(years: int) -> tuple[int, int, float, float]:
    """Cells, rows, seconds and the peak in megabytes."""
    from django.utils import timezone

    from datasync_app.datasets import DAILY
    from datasync_app.engine.plan import Plan, plan_dates
    from datasync_app.engine.run import Engine, OwnGuard
    from datasync_app.models import Daily, SyncLedger
    from datasync_app.tushare.from_settings import client_from_settings

    SyncLedger.objects.all().delete()
    Daily.objects.all().delete()
    client = client_from_settings()
    engine = Engine(client, guard=OwnGuard(), now=timezone.now)
    first, last = dt.date(LAST_YEAR - years + 1, 1, 1), dt.date(LAST_YEAR, 12, 31)
    engine.prepare(first, last)
    todo = plan_dates(DAILY, first, last, now=timezone.now()).todo
    began = time.perf_counter()
    report = engine.run(Plan(DAILY, todo, good=()))
    seconds = time.perf_counter() - began
    client.close()
    if report.stopped or report.calls != len(todo):
        raise RuntimeError(f"The engine did not finish: {report.sentence()}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return len(todo), report.rows, seconds, peak


def run_calls() -> None:
    """Calls planned for the daily datasets, beside the two plain ways of asking for them."""
    from django.utils import timezone

    from datasync_app.datasets.market import ADJ_FACTOR, DAILY, DAILY_BASIC
    from datasync_app.engine.estimate import calls_of
    from datasync_app.engine.plan import plan_dates
    from datasync_app.engine.run import Engine, OwnGuard
    from datasync_app.engine.universe import Universe
    from datasync_app.models import SyncLedger
    from datasync_app.tushare.from_settings import client_from_settings

    now, datasets = timezone.now(), (DAILY, ADJ_FACTOR, DAILY_BASIC)
    with canned_source():
        client = client_from_settings()
        Engine(client, guard=OwnGuard(), now=timezone.now).prepare(FIRST_PLANNED, now.date())
        client.close()
    SyncLedger.objects.filter(dataset__in=[dataset.name for dataset in datasets]).delete()
    plans = [plan_dates(dataset, FIRST_PLANNED, now.date(), now=now) for dataset in datasets]
    universe = Universe.read()
    planned = sum(calls_of(plan.dataset, cell, universe) for plan in plans for cell in plan.calls)
    by_date = sum(len(plan.todo) for plan in plans)
    companies = len(universe) if universe else 0
    say(f"Calls for daily, adj_factor and daily_basic from {FIRST_PLANNED:%Y%m%d}")
    table(
        ("", "calls"),
        [
            ("planned", f"{planned:,}"),
            ("one call per date and dataset", f"{by_date:,}"),
            ("one call per company and dataset", f"{companies * len(datasets):,}"),
        ],
    )


def run_quota(window: float) -> None:
    """The share of a quota that a history run uses, counted at the sandbox."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_django) as pool:
        made, sustained, refused = pool.submit(_under_quota, window).result()
    say(f"Quota used by a history run of daily, {QUOTA}/min, {WINDOWS} windows of {window:g} s")
    table(
        ("", "made / allowed", "sustained", "refused"),
        [("engine", f"{made:.3f}", f"{sustained:.3f}", f"{refused}")],
    )


def _under_quota(window: float) -> tuple[float, float, int]:
    from django.utils import timezone

    from datasync_app.datasets import DAILY
    from datasync_app.engine.plan import Plan, plan_dates
    from datasync_app.engine.run import Engine, OwnGuard
    from datasync_app.models import Daily, SyncLedger
    from datasync_app.sandbox.account import Quota
    from datasync_app.sandbox.server import Sandbox
    from datasync_app.tushare.access import LimitRules
    from datasync_app.tushare.client import TushareClient
    from datasync_app.tushare.limits import stored_limiters
    from tests.bench.canned_source import IDENTITY
    from tests.datasync_app.tiny_market import TinyMarket

    SyncLedger.objects.filter(dataset="daily").delete()
    Daily.objects.all().delete()
    arrivals: list[float] = []

    def clock() -> float:
        # The sandbox looks at its clock once for each call that it counts.
        arrivals.append(time.monotonic())
        return arrivals[-1]

    with Sandbox(
        TinyMarket(),
        quota=Quota(QUOTA),
        minute_seconds=window,
        latency_ms=LATENCY_SECONDS * 1000 * window / 60,
        identity=IDENTITY,
        monotonic=clock,
    ) as sandbox:
        limiters = stored_limiters("bench engine", LimitRules(QUOTA, window, 1.0))
        client = TushareClient("bench", sandbox.url, limiters=limiters)
        engine = Engine(client, guard=OwnGuard(), now=timezone.now)
        engine.prepare(FIRST_PLANNED, dt.date(LAST_YEAR, 12, 31))
        todo = plan_dates(DAILY, FIRST_PLANNED, dt.date(LAST_YEAR, 12, 31), now=timezone.now()).todo
        arrivals.clear()
        # As many as two windows more than are looked at would take.
        engine.run(Plan(DAILY, todo[: (WINDOWS + 1) * QUOTA], good=()))
        refused = sum(sandbox.refused.values())
        client.close()
    made, sustained = quota_used(arrivals, QUOTA, window, refused)
    return made, sustained, refused
