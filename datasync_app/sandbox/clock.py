"""A clock that can be set and moved on, and runs as time does in between."""

from __future__ import annotations

import datetime as dt
import json
import threading

from django.utils.translation import gettext as _

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.protocol import SandboxProblem

_FIRST_YEAR, _LAST_YEAR = 1991, 2099
_MOST_SECONDS = 1e9


class MovableClock:
    """Runs from `start`, or from now. Naive moments are Shanghai's."""

    def __init__(self, start: dt.datetime | None = None) -> None:
        self._ahead = dt.timedelta()
        self._lock = threading.Lock()
        if start is not None:
            self.set(start)

    def __call__(self) -> dt.datetime:
        with self._lock:
            return dt.datetime.now(dt.UTC) + self._ahead

    def set(self, moment: dt.datetime) -> None:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)
        with self._lock:
            self._ahead = aware.astimezone(dt.UTC) - dt.datetime.now(dt.UTC)

    def advance(self, by: dt.timedelta) -> None:
        with self._lock:
            self._ahead += by


def parse_moment(text: str) -> dt.datetime:
    """A moment in ISO 8601; without an offset it is Shanghai's.

    Raises:
        SandboxProblem: it is none.
    """
    moment: dt.datetime | None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise SandboxProblem(
            _(
                "%(text)r is no moment from %(first)s to %(last)s; it must be like "
                "2026-03-16T18:40, in Shanghai's time, or with an offset."
            )
            % {"text": text, "first": _FIRST_YEAR, "last": _LAST_YEAR}
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)


def move_clock(clock: MovableClock, body: bytes) -> None:
    """{"now": MOMENT} sets it, {"advance_seconds": N} moves it on.

    Raises:
        SandboxProblem: the body is neither.
    """
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    given = document if isinstance(document, dict) else {}
    now, seconds = given.get("now"), given.get("advance_seconds")
    if isinstance(now, str):
        clock.set(parse_moment(now))
    elif isinstance(seconds, int | float) and abs(seconds) < _MOST_SECONDS:
        clock.advance(dt.timedelta(seconds=seconds))
    else:
        raise SandboxProblem(
            _('The clock takes {"now": "2026-03-16T18:40"} or {"advance_seconds": 2400}.')
        )
