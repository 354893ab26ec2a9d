"""A job as the scheduler runs it, inside a tracker."""

from __future__ import annotations

from contextlib import suppress

from scheduler_app.models import Cause, ExecutionLog
from scheduler_app.registry import registry
from scheduler_app.tracker import ExecutionTracker


def run(job_id: str, caused_by: str = Cause.MANUAL, **kwargs: str) -> ExecutionLog:
    """The execution of a run, whatever became of it."""
    tracker = ExecutionTracker(job_id, caused_by=caused_by, kwargs=kwargs)
    with suppress(Exception), tracker:  # the execution says what it was
        values = registry.validate_kwargs(job_id, kwargs)
        tracker.set_result(registry.get(job_id).function(tracker.run, **values))
    assert tracker.execution_id is not None
    return ExecutionLog.objects.get(pk=tracker.execution_id)
