"""A program that starts the same job over and over, each time in a child that may be killed.

Everything is imported once, before any child is made, so that a start takes milliseconds. For every
line that it reads it forks a child, prints the child's process id, waits for its end and prints how
it ended: `exit N` or `signal N`.
"""

from __future__ import annotations

import os
import sys


def main(job_id: str, start: str) -> None:
    import django

    django.setup()
    # What the job would import when it first needs it.
    from tests.datasync_app.runs import run

    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            execution = run(job_id, start=start)
            os._exit(0 if execution.status == "SUCCESS" else 1)
        _say(str(child))
        _, how = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(how)
        _say(f"signal {-code}" if code < 0 else f"exit {code}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
