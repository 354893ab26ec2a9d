"""Values that the source changes after the fact."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from datasync_app.protocol import Rows
from datasync_app.sandbox.cells import draw, places
from datasync_app.sandbox.protocol import SandboxProblem


@dataclass(frozen=True)
class Restatement:
    """One changed value."""

    api_name: str
    ts_code: str
    date: str
    column: str
    before: float
    after: float


@dataclass(frozen=True)
class _Rule:
    number: int
    api_name: str
    share: float
    since: dt.datetime
    first: str
    last: str
    size: float


Row = Mapping[str, object]


def _opening(row: Row, size: float) -> float:
    """An opening price a cent lower, or higher, within the day's span."""
    open_, high, low = (float(str(row[name])) for name in ("open", "high", "low"))
    lower, higher = round(open_ - 0.01, 2), round(open_ + 0.01, 2)
    return lower if lower >= low else higher if higher <= high else open_


def _scaled(column: str) -> Callable[[Row, float], float]:
    return lambda row, size: round((1 + size) * float(str(row[column])), 4)


_CHANGES: Mapping[str, tuple[str, Callable[[Row, float], float]]] = {
    "daily": ("open", _opening),
    "adj_factor": ("adj_factor", _scaled("adj_factor")),
    "daily_basic": ("pb", _scaled("pb")),
}


class RestatementPlan:
    """From a moment on a share of an endpoint's rows has another value in one column.

    Bars get an opening price that differs by a cent, factors another factor, valuations another pb;
    the same seed changes the same rows in the same way.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def restate(
        self,
        api_name: str,
        share: float,
        *,
        since: dt.datetime,
        first: str = "",
        last: str = "99991231",
        size: float = 0.01,
    ) -> None:
        """Change a share of the rows of the dates from first to last. A second call adds to it.

        `size` is by what part a factor or a pb changes; less than 0.001 looks like rounding.

        Raises:
            SandboxProblem: nothing of the endpoint can be restated, or the share is not 0 to 1.
        """
        if api_name not in _CHANGES:
            raise SandboxProblem(
                _("%(api_name)s is never restated; %(names)s can be.")
                % {"api_name": api_name, "names": ", ".join(_CHANGES)}
            )
        if not 0 <= share <= 1:
            raise SandboxProblem(
                _("A share of %(share)s is out of range; it must be 0 to 1.")
                % {"share": f"{share:g}"}
            )
        with self._lock:
            number = len(self._rules)
            self._rules.append(_Rule(number, api_name, share, since, first, last, size))

    def applied(self, api_name: str, fields: tuple[str, ...], rows: Rows, now: dt.datetime) -> Rows:
        """The rows as they are told now; the very same list where none is restated."""
        changed = dict(self._changes(api_name, fields, rows, now))
        if not changed:
            return rows
        return [changed[n][0] if n in changed else row for n, row in enumerate(rows)]

    def listed(
        self, api_name: str, fields: tuple[str, ...], rows: Rows, now: dt.datetime
    ) -> list[Restatement]:
        """What `applied` changes, value by value."""
        return [made for _, (_, made) in self._changes(api_name, fields, rows, now)]

    def _changes(
        self, api_name: str, fields: tuple[str, ...], rows: Rows, now: dt.datetime
    ) -> Iterator[tuple[int, tuple[list[object], Restatement]]]:
        with self._lock:
            rules = [r for r in self._rules if r.api_name == api_name and r.since <= now]
        at = places(fields)
        if not rules or at is None:
            return
        column, change = _CHANGES[api_name]
        place = fields.index(column)
        for number, row in enumerate(rows):
            date, code = at.of(row)
            told = row
            for rule in rules:
                if rule.first <= date <= rule.last and self._is_struck(rule, date, code):
                    value = change(dict(zip(fields, told, strict=True)), rule.size)
                    told = [*told[:place], value, *told[place + 1 :]]
            if told != row:
                before, after = float(str(row[place])), float(str(told[place]))
                yield number, (told, Restatement(api_name, code, date, column, before, after))

    def _is_struck(self, rule: _Rule, date: str, code: str) -> bool:
        return draw(self._seed, "restate", str(rule.number), date, code) < rule.share
