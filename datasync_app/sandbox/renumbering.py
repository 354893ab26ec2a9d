"""Companies that got another code: the source then tells their whole history under the new one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from datasync_app.sandbox.calendar import Calendar

# Three that happened, old to new, with the first day of the new code.
SHENZHEN_CHANGES: Mapping[str, tuple[str, dt.date]] = {
    "000022.SZ": ("001872.SZ", dt.date(2018, 12, 26)),
    "000043.SZ": ("001914.SZ", dt.date(2019, 12, 16)),
    "300114.SZ": ("302132.SZ", dt.date(2025, 2, 17)),
}
# Beijing: who was listed before the first date began with another code, until the second.
BEIJING_NUMBERS_SINCE = dt.date(2024, 4, 22)
BEIJING_CHANGE = dt.date(2025, 10, 9)


@dataclass(frozen=True)
class Change:
    """A company's former code, and the number of the first day of the new one."""

    old: str
    since: int


@dataclass(frozen=True)
class Codes:
    """Everybody's code as of a day, and the way back."""

    shown: list[str]
    numbers: Mapping[str, int]


class Renumbering:
    def __init__(self, codes: list[str], changes: Mapping[int, Change]) -> None:
        self._codes = codes
        self.changes = changes
        self._days = sorted({change.since for change in changes.values()})
        self._known: dict[int, Codes] = {}

    def on(self, day: int) -> Codes:
        """The codes as the source tells them on a day, of whatever date the rows are."""
        passed = sum(since <= day for since in self._days)
        if passed not in self._known:
            shown = list(self._codes)
            for number, change in self.changes.items():
                if day < change.since:
                    shown[number] = change.old
            self._known[passed] = Codes(shown, {code: n for n, code in enumerate(shown)})
        return self._known[passed]


def find_changes(
    codes: list[str], listed: list[int], ends: list[int], calendar: Calendar
) -> dict[int, Change]:
    """Give those who are renumbered their new codes in `codes`, in place; who they are and since when.

    A company that leaves before the day keeps its old code for good.
    """
    changes = {}
    numbered_since = calendar.first_from(BEIJING_NUMBERS_SINCE)
    beijing_change = calendar.first_from(BEIJING_CHANGE)
    former = 830_000
    for number, code in enumerate(codes):
        if code in SHENZHEN_CHANGES:
            new, date = SHENZHEN_CHANGES[code]
            change = Change(code, calendar.first_from(date))
        elif code.endswith(".BJ") and listed[number] < numbered_since:
            former += 1
            new, change = code, Change(f"{former}.BJ", beijing_change)
        else:
            continue
        if ends[number] > change.since:
            changes[number] = change
            codes[number] = new
        else:
            codes[number] = change.old
    return changes
