"""What is handed to the dispatcher: slots that came due, and executions that wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler_app.backlog import Backlog, nothing_late


@dataclass(frozen=True)
class DueSlots:
    """Slots that came due, with the reason to give for those that are too late."""

    job_id: str
    backlog: Backlog
    grace: timedelta
    reason: str


@dataclass(frozen=True)
class Queued:
    """An execution that waits to be run."""

    job_id: str
    execution_id: int


Work = DueSlots | Queued


def merged(works: Iterable[Work]) -> list[Work]:
    """The same work with the slots that came one by one taken together, as one decision."""
    result: list[Work] = []
    for work in works:
        last = result[-1] if result else None
        if isinstance(work, DueSlots) and isinstance(last, DueSlots) and work.grace == last.grace:
            result[-1] = replace(work, backlog=last.backlog.followed_by(work.backlog))
        else:
            result.append(work)
    return result


def only_slot(work: Work, now: datetime) -> datetime | None:
    """The one slot of the work, if that came in time and there is no other."""
    if isinstance(work, Queued):
        return None
    decided = nothing_late(work.backlog, now, work.grace)
    return decided.run[0][0] if decided is not None and len(decided.run) == 1 else None
