"""A script of publication: what of a date is out when, where it is not out whole and at once."""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from datasync_app.dates import SHANGHAI, parse_date
from datasync_app.protocol import Rows
from datasync_app.sandbox.cells import Places, draw, places
from datasync_app.sandbox.protocol import SandboxProblem

Step = tuple[dt.time | dt.datetime, float]
EVERY_DATE = ""


@dataclass
class _Drop:
    codes: tuple[str, ...]
    count: int
    answers: int


class PublicationPlan:
    """Holds back rows that a market already has. The same seed holds back the same ones.

    A script for a date of its own comes before one for every date.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._scripts: dict[tuple[str, str], tuple[Step, ...]] = {}
        self._drops: dict[tuple[str, str], _Drop] = {}
        self._dropped: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    def script(self, api_name: str, date: str, *steps: Step) -> None:
        """From each moment on a share of the date's rows is out, nothing before the first.

        script("daily_basic", "20260316", (time(18, 40), 0.6), (time(19, 20), 1.0)): a time is one of
        the date itself, in Shanghai; EVERY_DATE as the date sets the usual course of an endpoint.

        Raises:
            SandboxProblem: a share is not within 0 to 1.
        """
        for _moment, share in steps:
            if not 0 <= share <= 1:
                raise SandboxProblem(
                    _("A share of %(share)s is out of range; it must be 0 to 1.")
                    % {"share": f"{share:g}"}
                )
        with self._lock:
            self._scripts[api_name, date] = steps

    def drop(
        self, api_name: str, date: str, codes: int | Iterable[str], *, answers: int = 1
    ) -> None:
        """Leave some codes, or so many, out of the next answers that have rows of the date."""
        named = () if isinstance(codes, int) else tuple(codes)
        count = codes if isinstance(codes, int) else len(named)
        with self._lock:
            self._drops[api_name, date] = _Drop(named, count, answers)

    def dropped(self, api_name: str, date: str) -> list[str]:
        """The codes left out so far, once each, in order."""
        with self._lock:
            return sorted(set(self._dropped[api_name, date]))

    def shown(self, api_name: str, fields: tuple[str, ...], rows: Rows, now: dt.datetime) -> Rows:
        """The rows of an answer that are out by now; the very same list where nothing is held back."""
        with self._lock:
            scripted = any(name == api_name for name, _date in self._scripts)
            drops = {date: drop for (name, date), drop in self._drops.items() if name == api_name}
        at = places(fields) if scripted or drops else None
        if at is None:
            return rows
        if scripted:
            rows = self._published(api_name, at, rows, now)
        for date in drops:
            rows = self._without(api_name, date, at, rows)
        return rows

    def _published(self, api_name: str, at: Places, rows: Rows, now: dt.datetime) -> Rows:
        shares: dict[str, float] = {}
        shown: Rows = []
        for row in rows:
            date, code = at.of(row)
            if date not in shares:
                shares[date] = self._share(api_name, date, now)
            share = shares[date]
            if share >= 1 or (share > 0 and draw(self._seed, api_name, date, code) < share):
                shown.append(row)
        return shown

    def _share(self, api_name: str, date: str, now: dt.datetime) -> float:
        with self._lock:
            steps = self._scripts.get((api_name, date))
            steps = self._scripts.get((api_name, EVERY_DATE)) if steps is None else steps
        if steps is None:
            return 1.0
        passed = [share for moment, share in steps if _moment(date, moment) <= now]
        return passed[-1] if passed else 0.0

    def _without(self, api_name: str, date: str, at: Places, rows: Rows) -> Rows:
        codes = {code for found, code in map(at.of, rows) if found == date}
        with self._lock:
            drop = self._drops.get((api_name, date))
            if drop is None or not codes:
                return rows
            drop.answers -= 1
            if drop.answers <= 0:
                del self._drops[api_name, date]
            by_draw = sorted(codes, key=lambda code: draw(self._seed, "drop", date, code))
            gone = set(drop.codes or by_draw[: drop.count]) & codes
            self._dropped[api_name, date] += gone
        return [row for row in rows if at.of(row) not in {(date, code) for code in gone}]


def _moment(date: str, at: dt.time | dt.datetime) -> dt.datetime:
    if isinstance(at, dt.datetime):
        return at
    return dt.datetime.combine(parse_date(date), at, SHANGHAI)
