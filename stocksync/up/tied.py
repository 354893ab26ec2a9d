"""Become another program that the kernel kills when the parent dies, so that nothing is orphaned.

    python -m stocksync.up.tied PROGRAM [ARGUMENT …]

A SIGKILLed supervisor cannot stop its children; this is what does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
