"""`python -m tests.bench`: every benchmark, or those named."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping

from tests.bench.report import say
from tests.bench.surroundings import private_database

NAMES = (
    "throughput", "memory", "calls", "quota", "limiter", "pacing", "scheduler", "workers", "serving",
    "exports", "pages",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--window",
        type=float,
        default=60,
        metavar="SECONDS",
        help="how long a minute of quota lasts; latencies are scaled alike [60]",
    )
    parser.add_argument(
        "--codes",
        type=int,
        default=300,
        metavar="N",
        help="companies a day where twenty years are synced; 6000 is the full market [300]",
    )
    parser.add_argument(
        "--pages-scale",
        type=float,
        default=1,
        metavar="SHARE",
        help="the share of a million executions and fifteen million daily rows to make [1]",
    )
    options = parser.add_argument("names", nargs="*", help=f"{', '.join(NAMES)} [all]")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(str(argparse.ArgumentError(options, f"{unknown[0]!r} is none of them")))
    started = time.monotonic()
    say(f"{os.cpu_count()} cores, one run; compare within it, not between machines\n")
    with private_database():
        benchmarks = _benchmarks(given)
        for name in NAMES:
            if name in given.names or not given.names:
                benchmarks[name]()
    say(f"done in {time.monotonic() - started:.0f} s")


def _benchmarks(given: argparse.Namespace) -> Mapping[str, Callable[[], None]]:
    """Each by its name. Imported once Django is set up: what they measure speaks through gettext."""
    from tests.bench import (
        exports,
        history,
        limiter_cost,
        pacing,
        pages,
        scheduler,
        serving,
        throughput,
        workers,
    )

    return {
        "throughput": throughput.run,
        "memory": lambda: history.run_memory(given.codes),
        "calls": history.run_calls,
        "quota": lambda: history.run_quota(given.window),
        "limiter": limiter_cost.run,
        "pacing": lambda: pacing.run(given.window),
        "scheduler": scheduler.run,
        "workers": workers.run,
        "serving": serving.run,
        "exports": exports.run,
        "pages": lambda: pages.run(given.pages_scale),
    }


if __name__ == "__main__":
    main()
