"""A process with one engine on the shards of a task.

`python -m tests.acceptance.shard_engine TASK [SECONDS [COPIES]]` prints `ready`, waits for a line on
stdin, works until no shard is left, and prints how many it did. With SECONDS, an owner counts as dead
after so many. With COPIES, the process freezes in the middle of the COPY after so many, once.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from contextlib import closing
from itertools import count

import django
from psycopg import Copy


def main(task_id: int, dead_after: float | None, copies: int | None) -> None:
    django.setup()
    from django.utils import timezone

    from datasync_app.engine import shards
    from datasync_app.engine.guard import OwnGuard
    from datasync_app.history import Hand
    from datasync_app.models import SyncTask
    from datasync_app.tushare.from_settings import client_from_settings

    if dead_after is not None:
        shards.DEAD_AFTER = dt.timedelta(seconds=dead_after)
        shards.BEAT = shards.DEAD_AFTER / 5
    if copies is not None:
        freeze_in_a_copy(after=copies)
    done = 0
    with closing(client_from_settings()) as client:
        hand = Hand(client, SyncTask.objects.get(pk=task_id), OwnGuard(), timezone.now)
        tell("ready")
        sys.stdin.readline()
        while shards.unfinished(hand.task, without=hand.stopped):
            if hand.work_on_one():
                done += 1
            else:
                hand.wait()
    tell(f"{done}")


def freeze_in_a_copy(*, after: int) -> None:
    """Stop this process as SIGSTOP does, between what a COPY sends first and what it sends last."""
    copies = count()
    enter = Copy.__enter__

    def enter_and_freeze(copy: Copy) -> Copy:
        entered = enter(copy)
        if next(copies) == after:
            os.kill(os.getpid(), signal.SIGSTOP)
        return entered

    Copy.__enter__ = enter_and_freeze  # type: ignore[assignment,method-assign]


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        float(sys.argv[2]) if len(sys.argv) > 2 else None,
        int(sys.argv[3]) if len(sys.argv) > 3 else None,
    )
