"""Why a run did not go as planned, in the reader's language: executions hold it in English.

One failure is one text whoever looks, so that it can be searched for and compared; a page tells it in the
words of who reads it. What a job, a source or a person said stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext, gettext_noop

# What is stored of a run is in this language, whoever started it and wherever it runs.
STORED_LANGUAGE = "en"

# As they are written where it happens; the longer of two that begin alike first.
FORMS = (
    gettext_noop("more than %(slots)s slots from %(first)s UTC to %(last)s UTC: %(why)s"),
    gettext_noop("%(slots)s slots from %(first)s UTC to %(last)s UTC: %(why)s"),
    gettext_noop("%(why)s; it did not end by itself and was killed"),
    gettext_noop("no scheduler was running"),
    gettext_noop("its schedule was loaded too late"),
    "it could not be started within %d s, its start deadline",
    "its schedule was stopped before it could start",
    gettext_noop("the schedule was stopped before the run went on"),
    gettext_noop("a later slot came before it could start"),
    gettext_noop("the slot of %(slot)s UTC came, and this schedule lets the newest run"),
    "execution %(running)d of this job was still running and execution %(waiting)d waited",
    "execution %(running)d of this job was still running",
    "%(day)s is not a run day: %(calendar)s",
    gettext_noop("paused by %(who)s until %(until)s: %(why)s"),
    "paused by %(who)s until %(until)s",
    gettext_noop("paused by %(who)s: %(why)s"),
    "paused by %(who)s",
    gettext_noop("it failed %(times)s times in a row"),
    gettext_noop("its process is not known"),
    gettext_noop("its process %(process)s stopped responding at %(moment)s UTC"),
    gettext_noop("its own process ended by signal %(number)s before the run did"),
    gettext_noop("its own process ended by exit code %(number)s before the run did"),
    gettext_noop("it ran longer than its time limit of %(limit)s s"),
    gettext_noop("it could not be handed to the workers: %(error)s"),
    gettext_noop("the scheduler was stopped"),
    gettext_noop("its worker was stopped"),
    gettext_noop("the run was interrupted"),
    gettext_noop("stopped by %(who)s"),
    gettext_noop("cancelled by %(who)s"),
    gettext_noop("%(who)s let the task go on at once"),
    gettext_noop("%(who)s cancelled the task"),
)
_PLACE = re.compile(r"%(?:\((\w+)\))?([sd])")
# All of them are shorter. To look through what a job says at length would take long.
_LONGEST = 500


def _pattern(form: str) -> re.Pattern[str]:
    written, at = "", 0
    for place in _PLACE.finditer(form):
        value = "[0-9]+" if place[2] == "d" else ".+?"
        written += re.escape(form[at : place.start()]) + f"(?P<{place[1] or 'value'}>{value})"
        at = place.end()
    return re.compile(written + re.escape(form[at:]))


_PATTERNS = {form: _pattern(form) for form in FORMS}


def told(reason: str) -> str:
    """The reason in the active language; as it is stored where it is not one of the scheduler's own."""
    if len(reason) > _LONGEST:
        return reason
    for form, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(reason):
            parts = {name: _part(name, part) for name, part in found.groupdict().items()}
            return _filled(gettext(form), parts)
    return reason


def _filled(sentence: str, parts: Mapping[str, str]) -> str:
    """Numbers are texts by now, and stay as they were written."""
    return _PLACE.sub(lambda place: parts[place[1] or "value"], sentence)


def _part(name: str, part: str) -> str:
    """A reason within a reason, or the title of a run calendar; anything else is somebody's own."""
    if name == "why":
        return told(part)
    return gettext(part) if name == "calendar" else part
