"""`python -m scheduler_app.spawned EXECUTION`: the process of one run, started by `own_process`."""

from __future__ import annotations

import os
import signal
import sys
import threading

import django


def main(execution_id: int) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    django.setup()
    # Models and jobs exist only now.
    from scheduler_app import attempt
    from scheduler_app.models import ExecutionLog
    from scheduler_app.registry import registry

    execution = ExecutionLog.objects.get(pk=execution_id)
    work = attempt.of_job(registry, execution)
    attempt.make(execution, work, stop=stop, try_again=lambda: not stop.wait(1.0))


def _end_with_parent() -> None:
    """The other end of the standard input is held by the parent alone: at its end all ends."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
