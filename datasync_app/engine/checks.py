"""Is a cell complete? Decided on sets of codes, never on counts or percentages.

A percentage hides losses: 0.5 % of the market is 18 codes, while on a normal day two stop trading.
Pure functions: what is known comes in, a verdict goes out.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from datasync_app.dates import show_date
from datasync_app.models import CellState

# At most six codes a day newly stop trading in the recorded market of 2019; where suspensions
# cannot be asked for, this many absences are presumed to be that.
PRESUMED_SUSPENSIONS = 10
# Two fetches must be this far apart before their agreement proves anything.
AGREEMENT_GAP = dt.timedelta(minutes=30)


class Reason(enum.StrEnum):
    """Why an expected code has no row. Only UNEXPLAINED keeps a cell partial."""

    ABSENT_ON_REFERENCE = "no bar on the date it was compared with either"
    LISTING_PAUSED = "listing paused"
    PRESUMED_SUSPENDED = "presumed suspended"
    AGREED = "two fetches agree that it has no row"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Reference:
    """The trade date to compare with: what was expected there and what is held."""

    date: dt.date
    expected: frozenset[str]
    received: frozenset[str]

    @property
    def absent(self) -> frozenset[str]:
        return self.expected - self.received


@dataclass(frozen=True)
class Earlier:
    """What the ledger says of the cell: the codes found missing, and since when just those."""

    missing: frozenset[str]
    since: dt.datetime

    def without(self, codes: Collection[str]) -> Earlier:
        return Earlier(self.missing.difference(codes), self.since)


@dataclass(frozen=True)
class Verdict:
    state: CellState
    expected: int | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def judge_codes(
    expected: frozenset[str],
    received: frozenset[str],
    *,
    paused: frozenset[str] = frozenset(),
    reference: Reference | None = None,
    earlier: Earlier | None = None,
    now: dt.datetime,
) -> Verdict:
    """The verdict on a whole-market day.

    1. A code missing here and absent on the reference date too has its reason.
    2. Of the others, up to PRESUMED_SUSPENSIONS are presumed suspended; more is a partial delivery.
    3. Without a reference nothing can be presumed.
    4. A fetch that agrees with the earlier one, AGREEMENT_GAP apart, closes the cell all the same.
    """
    if not received:
        return Verdict(
            CellState.DUE, len(expected), problem="the source has no rows of that day yet"
        )
    reasons: dict[str, Reason] = {}
    unexplained = set()
    absent_there = reference.absent if reference else frozenset()
    for code in expected - received:
        if code in paused:
            reasons[code] = Reason.LISTING_PAUSED
        elif code in absent_there:
            reasons[code] = Reason.ABSENT_ON_REFERENCE
        else:
            unexplained.add(code)
    if reference is not None and len(unexplained) <= PRESUMED_SUSPENSIONS:
        reasons |= dict.fromkeys(unexplained, Reason.PRESUMED_SUSPENDED)
        unexplained.clear()
    if unexplained and agrees(expected - received, earlier, now):
        reasons |= dict.fromkeys(unexplained, Reason.AGREED)
        unexplained.clear()
    reasons |= dict.fromkeys(unexplained, Reason.UNEXPLAINED)
    missing = {code: str(reasons[code]) for code in sorted(reasons)}
    if not unexplained:
        return Verdict(CellState.COMPLETE, len(expected), missing)
    return Verdict(
        CellState.PARTIAL, len(expected), missing, _missing_codes(sorted(unexplained), reference)
    )


def judge_days(expected: frozenset[dt.date], received: frozenset[dt.date]) -> Verdict:
    """The verdict on a calendar year: every day must have its row."""
    lacking = sorted(expected - received)
    if not received:
        return Verdict(CellState.DUE, len(expected), problem="the source has no calendar for it")
    if lacking:
        missing = {show_date(day): str(Reason.UNEXPLAINED) for day in lacking}
        problem = f"{len(lacking)} days are missing, the first {show_date(lacking[0])}"
        return Verdict(CellState.PARTIAL, len(expected), missing, problem)
    return Verdict(CellState.COMPLETE, len(expected))


def agrees(missing: frozenset[str], earlier: Earlier | None, now: dt.datetime) -> bool:
    """Has just this been found missing before, long enough ago to prove anything?"""
    return (
        earlier is not None and earlier.missing == missing and now - earlier.since >= AGREEMENT_GAP
    )


def _missing_codes(codes: list[str], reference: Reference | None) -> str:
    shown = ", ".join(codes[:15]) + (", …" if len(codes) > 15 else "")
    compared = (
        f"that {show_date(reference.date)} would explain"
        if reference
        else "with no other date to compare with"
    )
    noun = "code is" if len(codes) == 1 else "codes are"
    return f"{len(codes)} expected {noun} missing, none {compared}: {shown}"
