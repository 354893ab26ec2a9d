"""Who uses the server: every such process holds a shared lock for its life.

A forked child shares its parent's lock, so a gunicorn worker counts as long as it lives. The
keeper holds the exclusive lock while it stops the server; `hold` waits for that.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from stocksync.postgres import locks

_held: dict[Path, int] = {}
_mutex = threading.Lock()


def lock_path(run_dir: Path) -> Path:
    return run_dir / "postgres-users.lock"


def hold(run_dir: Path) -> None:
    """Count this process as a user from now on."""
    with _mutex:
        if run_dir in _held:
            return
        descriptor = locks.open_lock(lock_path(run_dir))
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[run_dir] = descriptor


def release(run_dir: Path) -> None:
    """Stop counting this process. Its forked children still count."""
    with _mutex:
        descriptor = _held.pop(run_dir, None)
        if descriptor is not None:
            os.close(descriptor)


def others(run_dir: Path) -> bool:
    """Whether any process uses the server at this moment; ask after `release`."""
    descriptor = locks.open_lock(lock_path(run_dir))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return not locks.try_exclusive(descriptor)
    except BlockingIOError:
        return False  # the keeper has it exclusively: it is stopping the server
    finally:
        os.close(descriptor)
