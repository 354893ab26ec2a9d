"""A process with one engine on the shards of a task.

`python -m tests.acceptance.shard_engine TASK [SECONDS]` prints `ready`, waits for a line on stdin, works
until no shard is left, and prints how many it did. With SECONDS, an owner counts as dead after so many.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from contextlib import closing

import django


def main(task_id: int, dead_after: float | None) -> None:
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
    done = 0
    with closing(client_from_settings()) as client:
        hand = Hand(client, SyncTask.objects.get(pk=task_id), OwnGuard(), timezone.now)
        tell("ready")
        sys.stdin.readline()
        while shards.unfinished(hand.task, without=hand.stopped):
            if hand.work_on_one():
                done += 1
            else:
                time.sleep(0.05)
    tell(f"{done}")


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else None)
