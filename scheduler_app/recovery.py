"""Runs that somebody other than the run itself has to close, and what goes with them.

1. Their process stopped beating: FAILED, with the reason, and tried again as the schedule says.
2. Their process stops and cannot wait any longer: CANCELLED, and tried again at once where the
   schedule has an attempt left.

Whoever keeps records of his own about a run (a task, a file) hears of it by `run_cut_off`, in the
transaction that closes the execution.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.dispatch import Signal
from django.utils import timezone

from scheduler_app import failures, processes
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.processes import Closed

logger = logging.getLogger(__name__)

# Sent with `execution_id`, `job_id` and `reason`. A receiver takes only locks that it need not wait
# for: a frozen process may hold others.
run_cut_off = Signal()


def close_abandoned(own: UUID, *, spared: timedelta = processes.DEAD_AFTER) -> list[int]:
    """Close the runs of processes that stopped beating; the ids of these executions.

    Raises:
        django.db.Error: the database is away; nothing was closed.
    """
    with transaction.atomic():
        closed = processes.close_abandoned(own, spared=spared)
        _tell(closed)
        failures.after_failures([run.execution_id for run in closed])
    return [run.execution_id for run in closed]


def close_own(own: UUID, reason: str) -> None:
    """Close what this process still runs as CANCELLED: it is stopping and cuts these runs off.

    Raises:
        django.db.Error: the database is away; whoever leads then closes them as abandoned.
    """
    with transaction.atomic():
        closed = processes.close_own(own, reason)
        _tell(closed)
        failures.after_stops([run.execution_id for run in closed])


def close_for(
    execution: ExecutionLog, status: Status, reason: str, *, by_stop: bool = False
) -> bool:
    """Close a run for its own process, which cannot; False if it is closed already. `by_stop`: as
    CANCELLED, because that process stops.

    Raises:
        django.db.Error: the database is away; nothing was closed.
    """
    now = timezone.now()
    ran = now - (execution.started_at or now)
    with transaction.atomic():
        closed = ExecutionLog.objects.filter(
            pk=execution.pk, process_id=execution.process_id, status=Status.RUNNING
        ).update(
            status=status,
            finished_at=now,
            duration_ms=max(0, int(ran.total_seconds() * 1000)),
            error_message=reason,
        )
        if closed:
            _tell([Closed(execution.pk, execution.job_id, reason)])
            follow = failures.after_stops if by_stop else failures.after_failures
            follow([execution.pk])
    return closed > 0


def _tell(closed: Iterable[Closed]) -> None:
    for run in closed:
        try:
            with transaction.atomic():
                run_cut_off.send(
                    sender=None,
                    execution_id=run.execution_id,
                    job_id=run.job_id,
                    reason=run.reason,
                )
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # What others keep of a run is no reason to leave it open.
            logger.exception("action=tell_cut_off execution=%s failed", run.execution_id)
