"""A clock that goes on while the machine sleeps, where the system has one."""

from __future__ import annotations

import sys
import time

if sys.platform == "linux":

    def uptime() -> float:
        """Seconds since the machine started, those in which it was suspended included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    uptime = time.monotonic
