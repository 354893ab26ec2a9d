"""What people read: a subject and a few lines, in the language of the channel.

One schedule is named and several are counted: no matter of plurals, of which Chinese has none.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from scheduler_app.told import told

NAMED_AT_MOST = 20
ERROR_AT_MOST = 500


@dataclass(frozen=True)
class Text:
    subject: str
    body: str


@dataclass(frozen=True)
class Told:
    """One schedule in a message: its name and id, since when, and why."""

    job_id: str
    name: str
    since: datetime
    why: str = ""

    def line(self) -> str:
        who = self.name if self.name == self.job_id else f"{self.name} ({self.job_id})"
        why = Truncator(" ".join(told(self.why).split())).chars(ERROR_AT_MOST)
        return f"- {who}, {moment(self.since)}" + (f": {why}" if why else "")


def failing(jobs: Sequence[Told]) -> Text:
    subject = _("%(name)s fails") if len(jobs) == 1 else _("%(count)d schedules fail")
    return _of(jobs, subject, _("After the last attempt, since:"))


def recovered(jobs: Sequence[Told]) -> Text:
    subject = _("%(name)s works again") if len(jobs) == 1 else _("%(count)d schedules work again")
    return _of(jobs, subject, _("With a success at:"))


def paused(jobs: Sequence[Told]) -> Text:
    one, many = _("%(name)s paused itself"), _("%(count)d schedules paused themselves")
    return _of(jobs, one if len(jobs) == 1 else many, _("Until somebody resumes it, since:"))


def no_success(jobs: Sequence[Told]) -> Text:
    one, many = _("%(name)s: no success in time"), _("%(count)d schedules: no success in time")
    heading = _("No run has succeeded today, and one should have by:")
    return _of(jobs, one if len(jobs) == 1 else many, heading)


def test(channel: str) -> Text:
    return Text(
        "StockSync: " + _("a test"),
        signed(_("This is a test of the notification channel %s.") % channel),
    )


def signed(text: str) -> str:
    """With the name of the machine: people may run more than one StockSync."""
    return f"{text}\n\nStockSync, {socket.gethostname()}"


def moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"


def _of(jobs: Sequence[Told], subject: str, heading: str) -> Text:
    named = [job.line() for job in jobs[:NAMED_AT_MOST]]
    if len(jobs) > NAMED_AT_MOST:
        named.append(_("- and %d more") % (len(jobs) - NAMED_AT_MOST))
    said = subject % {"name": jobs[0].name, "count": len(jobs)}
    return Text(f"StockSync: {said}", signed("\n".join([heading, *named])))
