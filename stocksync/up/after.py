"""Become another program once a file is there, such as the sandbox's address before the scheduler.

    python -m stocksync.up.after FILE PROGRAM [ARGUMENT …]

Waits a minute at most: a scheduler without a source still has much to do.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

LONGEST_WAIT_SECONDS = 60.0

if __name__ == "__main__":
    file = Path(sys.argv[1])
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
