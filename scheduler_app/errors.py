"""The errors of the scheduler: one shallow tree, each message a sentence for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _


class SchedulerError(Exception):
    """Root of every error that this app raises on purpose.

    A run that failed is tried again as its schedule says, unless its exception, of whatever class,
    has `retriable = False`: the same run would fail for the same reason.
    """

    retriable = True


class UnknownJob(SchedulerError):
    """No job is registered under this id."""

    retriable = False

    def __init__(self, job_id: object, known: Iterable[str]) -> None:
        self.job_id = job_id
        self.known = tuple(known)
        super().__init__(
            _("There is no job %(job)s. The known jobs are: %(known)s.")
            % {"job": short(job_id), "known": ", ".join(self.known) or _("none")}
        )


class NotScheduled(SchedulerError):
    """The job exists but has no schedule."""

    def __init__(self, job_id: str, sentence: str = "") -> None:
        """`sentence` names the job as %s, and says what cannot be done."""
        self.job_id = job_id
        super().__init__((sentence or _("The job %s has no schedule to stop.")) % job_id)


class InvalidKwargs(SchedulerError):
    """The arguments do not fit the job's own signature; `argument` is the one at fault, if one is."""

    argument = ""

    retriable = False


class InvalidCron(SchedulerError):
    """The cron expression or its time zone cannot be used; the message says why."""


class InvalidSchedule(SchedulerError):
    """One or more fields of a schedule cannot be used: `errors` maps field to sentence."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__(" ".join(self.errors.values()))


class LeaseLost(SchedulerError):
    """This process is not the active scheduler any more: another one has taken over."""


class UnknownRunDay(SchedulerError):
    """A run calendar does not know whether a day is one; the message says why."""


class RunTimedOut(SchedulerError):
    """The run went on for longer than its schedule allows."""


class RunLost(SchedulerError):
    """The execution is no longer RUNNING under this process: someone else has closed it."""


class RunCancelled(SchedulerError):
    """The run ends before its work is done, and not because it failed: it was asked to stop, or
    it stops by itself because only time can help. `result` is what it did until then."""

    def __init__(self, message: str, result: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.result = result


class RunStopped(RunCancelled):
    """The process that makes the run is stopping: what is left is for the next attempt."""


def short(value: object, limit: int = 80) -> str:
    """A value as it may stand in a sentence: quoted, and cut where it is long."""
    text = repr(value[: limit + 1]) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit + 2 else f"{text[:limit]}…"
