"""A process that calls `daily` from eight threads until a moment: one of several on one account.

Prints `ready`, reads the end (of the machine's monotonic clock) from stdin, calls, and prints how
many calls were answered and how many ended badly.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import django

THREADS = 8


def main() -> None:
    django.setup()
    from datasync_app.tushare.from_settings import client_from_settings
    from datasync_app.tushare.outcomes import CallCancelled, TushareError

    with closing(client_from_settings()) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        end = float(sys.stdin.readline())

        def is_over() -> bool:
            return time.monotonic() >= end

        def call_until_the_end(number: int) -> tuple[int, int]:
            answered = failed = 0
            while not is_over():
                try:
                    client.fetch("daily", {}, ["close"], cancelled=is_over)
                    answered += 1
                except CallCancelled:
                    break
                except TushareError as failure:
                    sys.stderr.write(f"{failure}\n")
                    failed += 1
            return answered, failed

        with ThreadPoolExecutor(THREADS) as pool:
            counts = list(pool.map(call_until_the_end, range(THREADS)))
    sys.stdout.write(f"{sum(a for a, _ in counts)} {sum(f for _, f in counts)}\n")


if __name__ == "__main__":
    main()
