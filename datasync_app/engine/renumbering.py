"""Codes that were renumbered: one instrument under two codes, one before a date and one from it on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from datasync_app.models import BseMapping, CodeChange

# The companies of Beijing got their new codes all on one day; `bse_mapping` does not tell it.
BEIJING_RENUMBERED = dt.date(2025, 10, 9)


@dataclass(frozen=True)
class Change:
    old: str
    new: str
    from_date: dt.date


class Renumbering:
    """The known changes, read once for a run. `others` maps each code to its other number."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._by_code: dict[str, Change] = {}
        self.others: dict[str, str] = {}
        for change in changes:
            self._by_code |= {change.old: change, change.new: change}
            self.others |= {change.old: change.new, change.new: change.old}

    @classmethod
    def read(cls) -> Renumbering:
        rows = CodeChange.objects.values_list("old_code", "new_code", "from_date")
        return cls(Change(*row) for row in rows)

    def elsewhere(
        self, codes: frozenset[str], received: frozenset[str], date: dt.date
    ) -> frozenset[str]:
        """Those of `codes` that a date has under the other number, or that this one stands for.

        Some sources renumber their history too, and some go on with the old code for a while: a
        row under either number is the instrument's. Without any row it is missing once, under the
        number of the date where both are among `codes`, and else under the one that is.
        """
        return frozenset(
            code
            for code in codes & self._by_code.keys()
            if self.others[code] in received
            or (self.others[code] in codes and self._is_out_of_time(code, date))
        )

    def under_both_numbers(self, codes: frozenset[str]) -> frozenset[str]:
        """The codes, and the other number of each that has one."""
        return codes | {self.others[code] for code in codes & self.others.keys()}

    def _is_out_of_time(self, code: str, date: dt.date) -> bool:
        change = self._by_code[code]
        return (code == change.old) == (date >= change.from_date)


def learn_from_bse_mapping() -> int:
    """Take over the changes that `bse_mapping` holds; the number of new ones. What is known stays."""
    known = set(CodeChange.objects.values_list("old_code", flat=True))
    new = [
        CodeChange(old_code=old, new_code=code, from_date=BEIJING_RENUMBERED)
        for old, code in BseMapping.objects.values_list("o_code", "n_code")
        if old not in known and old != code
    ]
    CodeChange.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def forget_bse_mapping() -> None:
    """Leave only the changes that every database starts with; none of them is of that day."""
    CodeChange.objects.filter(from_date=BEIJING_RENUMBERED).delete()
