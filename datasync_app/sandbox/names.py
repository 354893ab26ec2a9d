"""What the generated companies were called, and when they changed their names."""

from __future__ import annotations

import bisect
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.noise import Noise
from datasync_app.sandbox.population import YEAR_DAYS, Population

_SUFFIXES = ("科技", "股份", "集团", "控股", "智能", "新材")
_RENAMED, _TROUBLED = 0.06, 0.015
_TROUBLE_DAYS = 250
_WARNED_DAYS = 240
_ANNOUNCED, _DOUBLED = 0.35, 0.003


@dataclass(frozen=True)
class Name:
    """`announced` is the day of its announcement where that is known, `doubled` if told twice."""

    since: int
    name: str
    reason: str
    announced: int | None
    doubled: bool


_Event = tuple[int, str]


class Names:
    """A company's names, oldest first. They depend on nothing that comes later."""

    def __init__(self, calendar: Calendar, people: Population, noise: Noise) -> None:
        events = _events(calendar, people, noise)
        plain = [[(int(day), "其他")] for day in people.listed.tolist()]
        for number, found in events.items():
            plain[number] += sorted(found)
        who = [number for number, found in enumerate(plain) for _ in found]
        days = [day for found in plain for day, _ in found]
        told = iter(noise.unit("name told", who, days).tolist())
        self._names = [
            list(_names(number, found, [next(told) for _ in found]))
            for number, found in enumerate(plain)
        ]

    def of(self, number: int) -> list[Name]:
        return self._names[number]

    def on(self, number: int, day: int) -> str:
        """The name in use on a day; before the listing, the first one."""
        names = self._names[number]
        at = bisect.bisect_right(names, day, key=lambda name: name.since)
        return names[max(0, at - 1)].name


def _events(calendar: Calendar, people: Population, noise: Noise) -> dict[int, list[_Event]]:
    """Some are renamed, some are in trouble for a year, and those who leave are warned before."""
    years = np.arange(1991, calendar.last_year + 1)
    starts = np.array([calendar.first_from(dt.date(int(year), 1, 1)) for year in years])
    ids = np.arange(people.count)[:, None]
    offsets = np.floor(0.95 * YEAR_DAYS * noise.unit("name day", ids, years))
    days = starts + offsets.astype(np.int64)
    quiet = people.ends[:, None] - _WARNED_DAYS - _TROUBLE_DAYS
    there = (days > people.listed[:, None] + 100) & (days < quiet)
    draws = noise.unit("name", ids, years)
    events: dict[int, list[_Event]] = defaultdict(list)
    for number, at in np.argwhere(there & (draws < _RENAMED + _TROUBLED)).tolist():
        day = int(days[number, at])
        if draws[number, at] < _RENAMED:
            events[number].append((day, "改名"))
        else:
            events[number] += [(day, "ST"), (day + _TROUBLE_DAYS, "撤销ST")]
    for number in np.flatnonzero(people.ends < len(calendar.days) + YEAR_DAYS).tolist():
        events[number].append((int(people.ends[number]) - _WARNED_DAYS, "*ST"))
    return events


def _names(number: int, events: list[_Event], told: list[float]) -> Iterator[Name]:
    plain, mark, renamed, last = f"虚构{number + 1:04}", "", 0, ""
    for (day, reason), draw in zip(events, told, strict=True):
        if reason == "改名":
            renamed += 1
            plain = f"虚构{number + 1:04}{_SUFFIXES[(number + renamed) % len(_SUFFIXES)]}"
        elif reason != "其他":
            mark = "" if reason == "撤销ST" else reason
        if mark + plain != last:
            last = mark + plain
            announced = max(0, day - 1 - int(draw * 10)) if draw < _ANNOUNCED else None
            yield Name(day, last, reason, announced, doubled=draw > 1 - _DOUBLED)
